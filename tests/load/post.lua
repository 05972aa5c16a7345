-- One message a request, each from one of the visitors in tokens.txt, each with an id of its own.
local tokens = {}
for line in io.lines(os.getenv("TANDEM_TOKENS")) do tokens[#tokens + 1] = line end
local run = os.getenv("TANDEM_RUN") or tostring(os.time())
local text = os.getenv("TANDEM_TEXT") or "how much is delivery?"
local n = 0

function request()
  n = n + 1
  local body = string.format('{"client_id":"%s-%d","text":"%s"}', run, n, text)
  return wrk.format("POST", nil, {
    ["Content-Type"] = "application/json",
    ["Authorization"] = "Bearer " .. tokens[n % #tokens + 1],
  }, body)
end

local bad = 0
function response(status, headers, body)
  if status ~= 200 or not string.find(body, '"bot"', 1, true) then
    bad = bad + 1
    if bad <= 3 then io.stderr:write(status .. " " .. string.sub(body, 1, 300) .. "\n") end
  end
end
