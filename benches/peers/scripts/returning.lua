-- Returning visitors: the same request with one cookie after the other. Arguments: file of cookies, method, body bytes.
-- Prints one JSON object at the end.

local requests, at = {}, 0

function init(arguments)
  local file, method, bytes = arguments[1], arguments[2], tonumber(arguments[3])
  local body = bytes > 0 and string.rep("changeover", math.ceil(bytes / 10)):sub(1, bytes) or nil
  for cookie in io.lines(file) do
    local headers = { ["Host"] = "localhost" }
    if cookie ~= "" then headers["Cookie"] = cookie end
    requests[#requests + 1] = wrk.format(method, wrk.path, headers, body)
  end
end

function request()
  at = at % #requests + 1
  return requests[at]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"errors":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,"p999_us":%d}\n',
    summary.requests,
    errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    summary.duration / 1e6,
    latency:percentile(50), latency:percentile(99), latency:percentile(99.9)))
end
