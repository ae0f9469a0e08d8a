/** kube-scheduler's own metrics. */
export const schedulerMetrics = {
  scheduler_schedule_attempts_total: {
    type: 'counter',
    help: "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while 'error' means an internal scheduler problem.",
    labels: ['result', 'profile'],
  },
  scheduler_scheduling_attempt_duration_seconds: {
    type: 'histogram',
    help: 'Scheduling attempt latency in seconds (scheduling algorithm + binding)',
    labels: ['result', 'profile'],
    buckets: Array.from({ length: 15 }, (_, i) => 0.001 * 2 ** i),
  },
  scheduler_pending_pods: {
    type: 'gauge',
    help: "Number of pending pods, by the queue type. 'active' means number of pods in activeQ; 'backoff' means number of pods in backoffQ; 'unschedulable' means number of pods in unschedulablePods that the scheduler attempted to schedule and failed; 'gated' is the number of unschedulable pods that the scheduler never attempted to schedule because they are gated.",
    labels: ['queue'],
  },
} as const
