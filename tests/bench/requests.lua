-- Sends random ones of the requests in a file, which are whole HTTP requests, each ended by a NUL. The last line of output is JSON.
local requests = {}
local count = 0
local threads = 0

-- Each thread begins its random numbers elsewhere, the same in every run.
function setup(thread)
    threads = threads + 1
    thread:set("number", threads)
end

function init(args)
    math.randomseed(number)
    local file = assert(io.open(args[1], "rb"))
    for text in file:read("*a"):gmatch("([^%z]+)%z") do
        count = count + 1
        requests[count] = text
    end
    file:close()
end

function request()
    return requests[math.random(count)]
end

function done(summary, latency, all)
    local errors = summary.errors
    io.write(string.format(
        '\n{"requests": %d, "seconds": %.6f, "refused": %d, "broken": %d, "p50": %d, "p99": %d}\n',
        summary.requests, summary.duration / 1e6, errors.status,
        errors.connect + errors.read + errors.write + errors.timeout, latency:percentile(50), latency:percentile(99)))
end
