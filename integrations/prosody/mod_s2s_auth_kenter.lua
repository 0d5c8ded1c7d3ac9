-- Authenticates streams between servers by kenter auth-server: DANE, POSH and CAs, in both
-- directions, for each pair of domains, and again when a proof expires. README.md says how to set
-- it up; the protocol is in docs/xmpp.md.
--
-- It fails closed: without an answer there is no stream.

module:set_global();

local add_task = require "util.timer".add_task;
local async = require "util.async";
local errors = require "util.error";
local json = require "util.json";
local nameprep = require "util.encodings".stringprep.nameprep;
local jid_host = require "util.jid".host;
local new_promise = require "util.promise".new;
local resolver_chain = require "net.resolvers.chain".new;
local server = require "net.server";
local service_resolver = require "net.resolvers.service".new;
local st = require "util.stanza";

local socket_path = module:get_option_string("kenter_socket", "/run/kenter/auth.sock");
local answer_timeout = module:get_option_number("kenter_timeout", 40);
-- May dialback do where nothing secure forbids it? As with Prosody's own check of certificates.
local allow_dialback = module:get_option_boolean("kenter_dialback", not module:get_option_boolean("s2s_secure_auth", false));

-- May an outgoing stream be used for other pairs of domains, too?
local share_streams = module:get_option_boolean("kenter_share_streams", false);

local hosts = prosody.hosts;
local xmlns_dialback_feature = "urn:xmpp:features:dialback";
local shortest_check = 5; -- seconds: what expires at once is not asked for all the time

local verdicts = module:metric("counter", "verdicts", "", "Answers of kenter auth-server", { "state"; "proof" });

--- The connection to the service: one for all, opened when it is needed.

local connection, last_id, buffer = nil, 0, "";
local waiting = {}; -- by id: what to do with the answer

local function take_answer(id, answer)
	local done = waiting[id];
	waiting[id] = nil;
	if done then
		done(answer);
	end
end

local function unknown(why)
	return { state = "later", proof = "none", dialback = false, reason = why };
end

local listener = {};

function listener.onincoming(conn, data)
	if conn ~= connection then return end
	buffer = buffer .. data;
	while true do
		local line, rest = buffer:match("^([^\n]*)\n(.*)$");
		if not line then break end
		buffer = rest;
		local answer = json.decode(line);
		if type(answer) == "table" and type(answer.id) == "number" then
			take_answer(answer.id, answer.state and answer or unknown("the service refuses the question: " .. tostring(answer.error)));
		end
	end
end

function listener.ondisconnect(conn, err)
	if conn ~= connection then return end
	connection, buffer = nil, "";
	local left = waiting;
	waiting = {};
	for _, done in pairs(left) do
		done(unknown("the connection to kenter auth-server ended: " .. tostring(err or "closed")));
	end
end

listener.onconnect = function () end;
listener.ondetach = listener.ondisconnect;

local function connect()
	if connection then return true end
	local good, unix = pcall(require, "socket.unix");
	if good and type(unix) == "function" then unix = { stream = unix }; end -- of older LuaSocket
	if not good or type(unix) ~= "table" then
		return nil, "LuaSocket has no local sockets";
	end
	local sock = unix.stream();
	sock:settimeout(1);
	local connected, err = sock:connect(socket_path);
	if not connected then
		sock:close();
		return nil, err;
	end
	sock:settimeout(0);
	connection, buffer = server.wrapclient(sock, nil, nil, listener, "*a"), "";
	return true;
end

-- A promise of the service's answer; always kept, if need be by "later".
local function ask(question)
	return new_promise(function (resolve)
		local connected, err = connect();
		if not connected then
			resolve(unknown("kenter auth-server cannot be reached at " .. socket_path .. ": " .. tostring(err)));
			return;
		end
		last_id = last_id + 1;
		local id = last_id;
		question.id = id;
		waiting[id] = resolve;
		add_task(answer_timeout, function ()
			take_answer(id, unknown("kenter auth-server does not answer"));
		end);
		connection:write(json.encode(question) .. "\n");
	end):next(function (verdict)
		verdicts:with_labels(verdict.state, verdict.proof or "none"):add(1);
		return verdict;
	end);
end

--- What is asked.

-- The certificates of the peer, leaf first, as base64 of DER.
local function chain_of(session)
	local sock = session.conn:socket();
	local list = {};
	local certificates = sock.getpeerchain and sock:getpeerchain() or { sock.getpeercertificate and sock:getpeercertificate() };
	for i, certificate in ipairs(certificates or {}) do
		list[i] = certificate:pem():gsub("%-%-%-%-%-[^\n]*%-%-%-%-%-", ""):gsub("%s+", "");
	end
	return json.array and json.array(list) or list;
end

local function question_for(session, local_host, remote_host)
	local own = local_host == session.from_host and remote_host == session.to_host;
	local question = {
		["local"] = local_host;
		remote = remote_host;
		direction = session.direction == "incoming" and "in" or own and "out" or "reuse";
		tls = session.secure and true or false;
	};
	local chain = chain_of(session);
	if #chain > 0 then question.chain = chain; end -- an empty table would become an object
	if session.direction == "outgoing" then
		-- Where the connection went: what the resolver of Prosody made of the SRV records.
		question.address, question.port = session.conn.peername or session.conn:ip(), tonumber(session.conn.peerport);
	end
	return question;
end

-- Whatever goes wrong on the way to a question is no yes either.
local function ask_about(session, local_host, remote_host)
	local good, question = pcall(question_for, session, local_host, remote_host);
	if good then return ask(question); end
	module:log("error", "The question about %s cannot be asked: %s", remote_host, question);
	return new_promise(function (resolve) resolve(unknown("the question cannot be asked")); end);
end

--- Proofs end.

local function end_pair(session, local_host, remote_host, verdict)
	session.log("warn", "%s may no longer speak for %s: %s", session.direction, remote_host, verdict.reason);
	-- One of several pairs on this stream: the others go on.
	if session.direction == "outgoing" and (remote_host ~= session.to_host or local_host ~= session.from_host) then
		if hosts[local_host] and hosts[local_host].s2sout[remote_host] == session then
			hosts[local_host].s2sout[remote_host] = nil;
		end
		return;
	elseif session.direction == "incoming" and remote_host ~= session.from_host then
		session.hosts[remote_host] = nil;
		return;
	end
	local condition = verdict.state == "later" and "remote-connection-failed" or "not-authorized";
	session:close({ condition = condition, text = "The proof of " .. remote_host .. " has expired" }, nil,
		errors.new({ type = "wait", condition = "remote-server-timeout", text = verdict.reason }));
end

-- One watch for each pair, however often the pair is asserted.
local function watch(session, local_host, remote_host, ttl)
	local name = local_host .. " " .. remote_host;
	session.kenter_watched = session.kenter_watched or {};
	if session.kenter_watched[name] then return; end
	session.kenter_watched[name] = true;
	add_task(math.max(ttl, shortest_check), function ()
		if session.destroyed or not session.conn then return end
		ask_about(session, local_host, remote_host):next(function (verdict)
			if session.destroyed or not session.conn then return end
			session.kenter_watched[name] = nil;
			if verdict.state == "yes" then
				session.log("debug", "%s is proved again by %s", remote_host, verdict.proof);
				watch(session, local_host, remote_host, verdict.ttl);
			else
				end_pair(session, local_host, remote_host, verdict);
			end
		end);
	end);
end

-- Asks, and waits: for code that a session's thread runs.
local function find_out(session, local_host, remote_host)
	local verdict = async.wait_for(ask_about(session, local_host, remote_host));
	if verdict.state == "yes" then
		session.log("info", "%s is proved by %s until %s: %s", remote_host, verdict.proof,
			os.date("!%Y-%m-%dT%H:%M:%SZ", verdict.expires), verdict.reason);
		watch(session, local_host, remote_host, verdict.ttl);
	else
		session.log("warn", "%s is not proved (%s): %s", remote_host, verdict.state, verdict.reason);
	end
	return verdict;
end

--- The domain that the stream was opened for.

module:hook("s2s-check-certificate", function (event)
	local session, remote_host = event.session, event.host;
	local local_host = session.direction == "outgoing" and session.from_host or session.to_host;
	session.cert_chain_status, session.cert_identity_status = "invalid", "invalid";
	if not remote_host or not local_host then
		return true; -- it will say who it is by <db:result/>, and is looked at then
	end
	local verdict = find_out(session, local_host, remote_host);
	if session.destroyed or not session.conn then
		return false;
	end
	if verdict.state == "yes" then
		session.cert_chain_status, session.cert_identity_status = "valid", "valid";
		session.kenter_proved = true;
		return true;
	end
	if verdict.dialback and allow_dialback then
		return true;
	end
	if verdict.state == "no" then
		session:close({ condition = "not-authorized", text = verdict.reason }, nil, errors.new({
			type = "cancel"; condition = "not-authorized"; text = verdict.reason }));
	else
		session:close({ condition = "remote-connection-failed", text = "Your domain cannot be checked now" }, nil, errors.new({
			type = "wait"; condition = "remote-server-timeout"; text = verdict.reason }));
	end
	return false;
end, 600);

--- More domains on a stream that is there: <db:result/> asserts one, and the certificate proves it.

local function refuse(origin, to, from, error_type, condition)
	origin.sends2s(st.stanza("db:result", { from = to, to = from, type = "error" })
		:tag("error", { type = error_type })
			:tag(condition, { xmlns = "urn:ietf:params:xml:ns:xmpp-stanzas" }));
end

local function asserted(event)
	local origin, stanza = event.origin, event.stanza;
	if origin.type ~= "s2sin" and origin.type ~= "s2sin_unauthed" then return end
	local to, from = nameprep(stanza.attr.to or ""), nameprep(stanza.attr.from or "");
	if not origin.secure or not to or not from or to == "" or from == "" or not hosts[to] or hosts[from] then
		return; -- mod_dialback says what is wrong with it
	end
	local verdict = find_out(origin, to, from);
	if origin.destroyed or not origin.conn then
		return true;
	end
	if verdict.state == "yes" then
		if not origin.from_host then origin.from_host = from; end
		if not origin.to_host then origin.to_host = to; end
		origin.sends2s(st.stanza("db:result", { from = to, to = from, type = "valid" }));
		module:context(to):fire_event("s2s-authenticated", { session = origin, host = from, mechanism = "kenter" });
		return true;
	end
	if verdict.dialback and allow_dialback then
		return; -- dialback goes on
	end
	if verdict.state == "no" then
		refuse(origin, to, from, "cancel", "not-authorized");
	else
		refuse(origin, to, from, "wait", "remote-server-timeout");
	end
	return true;
end

-- We take such assertions, and say so (XEP-0220 section 2.6).
local function offer(event)
	local dialback = event.features:get_child("dialback", xmlns_dialback_feature);
	if dialback and not dialback:get_child("errors") then
		dialback:tag("errors", { xmlns = xmlns_dialback_feature }):up();
	end
end

-- Prosody sends replies as if the stream had one pair only.
module:hook("s2sin-established", function (event)
	local session = event.session;
	function session.send(stanza)
		local from, to = jid_host(stanza.attr.from) or session.to_host, jid_host(stanza.attr.to) or session.from_host;
		return hosts[from] and module:context(from):fire_event("route/remote", { from_host = from, to_host = to, stanza = stanza });
	end
end);

--- Outgoing streams for other pairs (RFC 7712 section 4.4): where a stream goes already to the server
--- that a domain names, the pair is asserted on it, as above on incoming ones. If anything is in the way
--- of that, Prosody opens a stream as it always does.

local streams = {}; -- those that are proved, by address and port
local carried = setmetatable({}, { __mode = "k" }); -- by stream: the pairs asserted on it
local asking = {}; -- by pair: those whose fate is open

local function place_of(ip, port)
	return tostring(ip) .. " " .. tostring(port);
end

local function settle(pair, good)
	if asking[pair.name] ~= pair then return; end
	asking[pair.name] = nil;
	local routes = hosts[pair.from] and hosts[pair.from].s2sout;
	if not routes then return; end
	if good and not routes[pair.to] then
		routes[pair.to] = pair.session;
		pair.session.log("info", "Carries %s->%s, too", pair.from, pair.to);
		watch(pair.session, pair.from, pair.to, pair.verdict.ttl);
	end
	for _, stanza in ipairs(pair.queue) do
		module:context(pair.from):fire_event("route/remote",
			{ from_host = pair.from, to_host = pair.to, stanza = stanza, kenter_alone = true });
	end
end

local function assert_pair(pair)
	local session = pair.session;
	carried[session] = carried[session] or {};
	carried[session][pair.name] = pair;
	local key = hosts[pair.from].modules.dialback.generate_dialback(session.streamid, pair.to, pair.from);
	session.sends2s(st.stanza("db:result", { from = pair.from, to = pair.to }):text(key));
end

-- Of the address that Prosody would connect to.
local function find_stream(pair, ip, port)
	local session = ip and streams[place_of(ip, port)];
	if not session or session.destroyed or asking[pair.name] ~= pair then
		settle(pair, false);
		return;
	end
	pair.session = session;
	ask_about(session, pair.from, pair.to):next(function (verdict)
		pair.verdict = verdict;
		if verdict.state == "yes" and not session.destroyed and hosts[pair.from] and asking[pair.name] == pair then
			assert_pair(pair);
		else
			settle(pair, false);
		end
	end);
end

local function route(event)
	local from, to, stanza = event.from_host, event.to_host, event.stanza;
	local host = hosts[from];
	-- Who wants streams in both directions opens them.
	if not share_streams or event.kenter_alone or stanza.attr.xmlns or stanza.name:find(":", 1, true) or not host or
		host.s2sout[to] or not host.modules.dialback or host.modules.s2s_bidi then
		return;
	end
	local name = from .. " " .. to;
	if asking[name] then
		table.insert(asking[name].queue, st.clone(stanza));
		return true;
	end
	if next(streams) == nil then return; end
	local pair = { name = name, from = from, to = to, queue = { st.clone(stanza) } };
	asking[name] = pair;
	add_task(answer_timeout, function () settle(pair, false); end);
	resolver_chain({
		service_resolver(to, "xmpps-server", "tcp", { default_port = false });
		service_resolver(to, "xmpp-server", "tcp", { default_port = 5269 });
	}):next(function (_, ip, port) find_stream(pair, ip, port); end);
	return true;
end

local function look_at_features(session, features)
	local dialback = features:get_child("dialback", xmlns_dialback_feature);
	if dialback and dialback:get_child("errors") then
		session.kenter_takes_pairs = true;
	end
end

local function answered(event)
	local session, stanza = event.origin, event.stanza;
	local name = (nameprep(stanza.attr.to or "") or "") .. " " .. (nameprep(stanza.attr.from or "") or "");
	local pair = session.type == "s2sout" and carried[session] and carried[session][name];
	if not pair then return; end -- the stream's own
	settle(pair, stanza.attr.type == "valid");
	return true;
end

module:hook("s2sout-established", function (event)
	local session = event.session;
	-- On one for both directions stanzas come back, too, for pairs that nobody asserted.
	if session.kenter_proved and session.kenter_takes_pairs and not session.incoming then
		session.kenter_place = place_of(session.conn.peername or session.conn:ip(), session.conn.peerport);
		streams[session.kenter_place] = session;
	end
end);

module:hook("s2sout-destroyed", function (event)
	local session = event.session;
	if streams[session.kenter_place or ""] == session then
		streams[session.kenter_place] = nil;
	end
	for _, pair in pairs(carried[session] or {}) do
		if hosts[pair.from] and hosts[pair.from].s2sout[pair.to] == session then
			hosts[pair.from].s2sout[pair.to] = nil;
		end
	end
	for _, pair in pairs(asking) do
		if pair.session == session then
			add_task(0, function () settle(pair, false); end);
		end
	end
end);

--- Streams in both directions (XEP-0288): once any domain is proved on an incoming one, Prosody sends
--- over it to the domain that it was opened for. That one may still be waiting for dialback.

local function limit_bidi(event)
	local session, primary = event.session, event.session.from_host;
	if session.direction ~= "incoming" or not session.outgoing or event.host == primary then return; end
	if not (session.hosts[primary] and session.hosts[primary].authed) then
		session.outgoing = nil;
	end
end

function module.add_host(module) -- luacheck: ignore 431/module
	module:hook("stanza/jabber:server:dialback:result", asserted, 100);
	module:hook("stanza/jabber:server:dialback:result", answered, 110);
	module:hook("route/remote", route, -5);
	module:hook("s2s-stream-features", offer, -1);
	module:hook_tag("http://etherx.jabber.org/streams", "features", look_at_features, 1000);
	module:hook("s2s-authenticated", limit_bidi, 100);
end

function module.unload()
	if connection then
		connection:close();
	end
end
