/**
 * How the values of several processes become one. Counters and histograms are added up, or shown for `each` process,
 * with the label `worker`; of gauges it can also be the largest, the smallest, or that of any one process.
 */
export type MergeRule = 'sum' | 'max' | 'min' | 'one' | 'each'

/** The rule of each metric. One that is not here is shown for each process. */
export const MERGE_RULES: Readonly<Record<string, MergeRule>> = {
  thinwire_build_info: 'one',
  thinwire_workers: 'sum',
  thinwire_worker_restarts_total: 'sum',

  // Of requests: as if one process had served them all.
  thinwire_requests_total: 'sum',
  thinwire_request_phases_total: 'sum',
  thinwire_tokens_total: 'sum',
  thinwire_cost_usd_total: 'sum',
  thinwire_unpriced_requests_total: 'sum',
  thinwire_request_errors_total: 'sum',
  thinwire_failed_attempts_total: 'sum',
  thinwire_saved_tokens_total: 'sum',
  thinwire_request_duration_seconds: 'sum',
  thinwire_first_token_seconds: 'sum',
  thinwire_upstream_first_byte_seconds: 'sum',
  thinwire_overhead_seconds: 'sum',
  thinwire_phase_seconds_total: 'sum',
  thinwire_bounds_hit_total: 'sum',

  // What all of them hold together.
  thinwire_requests_in_flight: 'sum',
  thinwire_buffered_bytes: 'sum',
  thinwire_cache_bytes: 'sum',
  thinwire_target_in_flight: 'sum',
  thinwire_ledger_records_total: 'sum',
  thinwire_ledger_queued_bytes: 'sum',

  // Each worker has its own breakers: a value says that there is a worker for which it is so.
  thinwire_target_state: 'max',
  thinwire_target_cooldown_seconds: 'max',
  thinwire_target_refused: 'max',
  thinwire_target_opened_total: 'sum',
  thinwire_ledger_stalled: 'max',
  thinwire_tls_certificate_expiry_seconds: 'min',

  // The counters of limits are in the primary; a worker may show them, too.
  thinwire_limit_refusals_total: 'sum',
  thinwire_limit_used_ratio: 'max',
  thinwire_limit_held: 'max',
  thinwire_limit_counters: 'max',
  thinwire_limit_alerts_total: 'sum',
  thinwire_limit_alerts_waiting: 'max',

  // Of a process: none of these says anything when it is added to that of another.
  process_cpu_user_seconds_total: 'each',
  process_cpu_system_seconds_total: 'each',
  process_cpu_seconds_total: 'each',
  process_start_time_seconds: 'each',
  process_resident_memory_bytes: 'each',
  process_virtual_memory_bytes: 'each',
  process_heap_bytes: 'each',
  process_open_fds: 'each',
  process_max_fds: 'each',
  nodejs_eventloop_lag_seconds: 'each',
  nodejs_eventloop_lag_min_seconds: 'each',
  nodejs_eventloop_lag_max_seconds: 'each',
  nodejs_eventloop_lag_mean_seconds: 'each',
  nodejs_eventloop_lag_stddev_seconds: 'each',
  nodejs_eventloop_lag_p50_seconds: 'each',
  nodejs_eventloop_lag_p90_seconds: 'each',
  nodejs_eventloop_lag_p99_seconds: 'each',
  nodejs_active_resources: 'each',
  nodejs_active_resources_total: 'each',
  nodejs_active_handles: 'each',
  nodejs_active_handles_total: 'each',
  nodejs_active_requests: 'each',
  nodejs_active_requests_total: 'each',
  nodejs_heap_size_total_bytes: 'each',
  nodejs_heap_size_used_bytes: 'each',
  nodejs_external_memory_bytes: 'each',
  nodejs_heap_space_size_total_bytes: 'each',
  nodejs_heap_space_size_used_bytes: 'each',
  nodejs_heap_space_size_available_bytes: 'each',
  nodejs_version_info: 'one',
  nodejs_gc_duration_seconds: 'each',
}
