-- Sends the prepared bodies of a folder in turn and prints what came of it as JSON; for bench/wrk.py.

local requests, at = {}, 0

function init(args)
    wrk.method = "POST"
    wrk.headers["Content-Type"] = "application/json"
    wrk.headers["Authorization"] = "Bearer " .. os.getenv("WRK_TOKEN")
    if args[3] ~= "identity" then
        wrk.headers["Content-Encoding"] = args[3]
    end
    for number = 0, tonumber(args[2]) - 1 do
        local file = assert(io.open(args[1] .. "/" .. number, "rb"))
        requests[#requests + 1] = wrk.format(nil, nil, nil, file:read("*a"))
        file:close()
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency, _)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "seconds": %f, "p50_s": %f, "p99_s": %f, "max_s": %f, "failed": %d, "refused": %d}\n',
        summary.requests, summary.duration / 1e6,
        latency:percentile(50) / 1e6, latency:percentile(99) / 1e6, latency.max / 1e6,
        errors.connect + errors.read + errors.write + errors.timeout, errors.status
    ))
end
