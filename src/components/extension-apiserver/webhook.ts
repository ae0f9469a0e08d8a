/** A validating admission webhook at /validate: denies what is labelled `trustplane.io/deny=true`, allows everything else. */
import type { FastifyInstance } from 'fastify'
import { badRequest } from '#kubernetes/status.ts'

interface AdmissionReview {
  apiVersion?: string
  kind?: string
  request?: { uid?: string; object?: { metadata?: { labels?: Record<string, string> } } }
}

const denyLabel = 'trustplane.io/deny'

/** kube-apiserver presents no client certificate to a webhook by default, so this path needs no authorization. */
export const webhookPath = '/validate'

export function webhook(app: FastifyInstance): void {
  app.post(webhookPath, request => {
    const review = reviewOf(request.body)
    const isDenied = review.request?.object?.metadata?.labels?.[denyLabel] === 'true'
    return {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      response: {
        uid: review.request!.uid,
        allowed: !isDenied,
        ...(isDenied ? { status: { code: 403, message: `objects labelled ${denyLabel}=true are denied` } } : {}),
      },
    }
  })
}

function reviewOf(body: unknown): AdmissionReview {
  let review: AdmissionReview | undefined
  try {
    review = JSON.parse(String(body)) as AdmissionReview
  } catch {}
  if (review?.kind !== 'AdmissionReview' || typeof review.request?.uid !== 'string') {
    throw badRequest('the body is no admission.k8s.io/v1 AdmissionReview with a request')
  }
  return review
}
