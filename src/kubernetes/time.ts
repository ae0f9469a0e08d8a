/** Times as the API writes them. */

/** metav1.Time: RFC 3339 in whole seconds, UTC. */
export const time = (date: Date) => `${date.toISOString().slice(0, 19)}Z`

/** metav1.MicroTime: with microseconds. Node's clock has milliseconds. */
export const microTime = (date: Date) => `${date.toISOString().slice(0, 23)}000Z`
