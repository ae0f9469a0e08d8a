/** What an operator tells people about a connection that was refused. */
export function diagnose({ from, to, outcome, refusedBy, reason }) {
  if (outcome === 'ok') return `${from} reaches ${to}`
  const whose = refusedBy === 'server' ? `${to} refuses ${from}` : `${from} refuses ${to}`
  return reason === 'expired' ? `${whose}: renew the certificate` : `${whose}: ${reason}`
}
