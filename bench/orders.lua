-- wrk: another customer, another body and a key never used before in each request.
-- Arguments: path, prefix of the keys, file of tokens, file of bodies, seed.

local heads, tails, count = {}, {}, 0

function init(args)
  for token in io.lines(args[3]) do
    heads[#heads + 1] = "POST " .. args[1] .. " HTTP/1.1\r\nHost: " .. wrk.host .. ":" .. wrk.port
      .. "\r\nAuthorization: Bearer " .. token
      .. "\r\nContent-Type: application/json\r\nIdempotency-Key: " .. args[2]
  end
  for body in io.lines(args[4]) do
    tails[#tails + 1] = "\r\nContent-Length: " .. #body .. "\r\n\r\n" .. body
  end
  math.randomseed(tonumber(args[5]))
end

function request()
  count = count + 1
  return heads[math.random(#heads)] .. count .. tails[math.random(#tails)]
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    'RESULT {"answers":%d,"seconds":%.6f,"refused":%d,"broken":%d,"p50_ms":%.3f,"p99_ms":%.3f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
