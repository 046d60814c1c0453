-- What wrk sends, and how it says what came of it: one line of JSON.
wrk.method = 'POST'
wrk.body = '{"a":2,"b":3}'
wrk.headers['Content-Type'] = 'application/json'

function done(summary, latency)
  local failed = summary.errors.connect + summary.errors.read + summary.errors.write
    + summary.errors.status + summary.errors.timeout
  print(string.format('{"requests":%d,"seconds":%.6f,"p99Ms":%.3f,"failed":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(99) / 1e3, failed))
end
