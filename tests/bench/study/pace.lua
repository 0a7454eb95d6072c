-- SPDX-License-Identifier: MIT
-- For wrk: a connection for each request, as httperf makes them, and so many requests a
-- second in all (RATE; 0: as many as are answered). At the end a line for the study.
local ffi = require("ffi")

ffi.cdef([[
	struct study_time { long seconds; long nanoseconds; };
	int clock_gettime(int clock, struct study_time *time);
]])

local CLOCK_MONOTONIC = 1
local step = 0 -- milliseconds from one request to the next
local due -- milliseconds: when the next request is to be sent

local function now()
	local time = ffi.new("struct study_time")

	ffi.C.clock_gettime(CLOCK_MONOTONIC, time)
	return tonumber(time.seconds) * 1e3 + tonumber(time.nanoseconds) / 1e6
end

function init()
	local rate = tonumber(os.getenv("RATE") or 0)

	wrk.headers["Connection"] = "close"
	if rate > 0 then
		step = 1000 / rate
	end
end

-- What could not be sent in time is not made up for.
function delay()
	local time = now()

	due = math.max((due or time) + step, time)
	return due - time
end

function done(summary)
	local e = summary.errors

	io.write(string.format("study %d %d %d\n", summary.requests, summary.duration,
		e.connect + e.read + e.write + e.status + e.timeout))
end
