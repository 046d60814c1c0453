-- The request that wrk sends, and the summary that it prints: one line of JSON.
local file = io.open(os.getenv('BENCH_BODY'), 'rb')
local body = file:read('*a')
file:close()

-- wrk orders headers by a hash that differs in each of its processes. To V8, headers in another order are an object of
-- another shape, so each turn would begin with the recompilation of hot code. A real client keeps to one order.
function wrk.format()
  return string.format('POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s',
    wrk.path, wrk.headers['Host'], os.getenv('BENCH_TYPE'), #body, body)
end

function done(summary, latency)
  local errors = summary.errors
  print(string.format('{"answers":%d,"seconds":%.6f,"p99Ms":%.3f,"refused":%d,"broken":%d}',
    summary.requests, summary.duration / 1e6, latency:percentile(99) / 1e3, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
