-- What wrk sends, and how it says what came of it: one line of JSON.
local file = io.open(os.getenv('BENCH_BODY'), 'rb')
wrk.method = 'POST'
wrk.body = file:read('*a')
wrk.headers['Content-Type'] = os.getenv('BENCH_TYPE')
file:close()

function done(summary, latency)
  local errors = summary.errors
  print(string.format('{"answers":%d,"seconds":%.6f,"p99Ms":%.3f,"refused":%d,"broken":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(99) / 1e3, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
