# Erlang: erlc and erl: processes, links and monitors, gen_server and supervisors, ets and maps, binaries, ports, TCP, code that is loaded anew, two nodes with epmd on the loopback.
# image: languages
# package: erlang-base
# options: --memory 3G
export HOME=/tmp; cd /tmp; hostname localhost 2>/dev/null
step() { echo "== $*"; }
cat >counter.erl <<'EOF'
-module(counter).
-behaviour(gen_server).
-export([start_link/1, add/1, get/0, crash/0, init/1, handle_call/3, handle_cast/2, handle_info/2, terminate/2]).
start_link(N) -> gen_server:start_link({local, ?MODULE}, ?MODULE, N, []).
add(K) -> gen_server:cast(?MODULE, {add, K}).
get() -> gen_server:call(?MODULE, get).
crash() -> gen_server:call(?MODULE, crash).
init(N) -> process_flag(trap_exit, true), {ok, N}.
handle_call(get, _From, N) -> {reply, N, N};
handle_call(crash, _From, _N) -> error(crashed).
handle_cast({add, K}, N) -> {noreply, N + K}.
handle_info(_, N) -> {noreply, N}.
terminate(Why, N) -> io:format("terminate ~p ~p~n", [element(1, Why), N]).
EOF
cat >sup.erl <<'EOF'
-module(sup).
-behaviour(supervisor).
-export([start_link/0, init/1]).
start_link() -> supervisor:start_link({local, ?MODULE}, ?MODULE, []).
init([]) -> {ok, {#{strategy => one_for_one}, [#{id => c, start => {counter, start_link, [100]}}]}}.
EOF
cat >main.erl <<'EOF'
-module(main).
-export([main/1, ring/2, loop/1]).
ring(0, First) -> First ! done;
ring(N, First) -> P = spawn(?MODULE, ring, [N - 1, First]), P ! token, receive token -> ok end.
loop(S) -> receive {add, N} -> loop(S + N); {get, P} -> P ! {sum, S}, loop(S); stop -> ok end.
fib(N) when N < 2 -> N;
fib(N) -> fib(N - 1) + fib(N - 2).
pmap(F, L) ->
    Me = self(),
    Ps = [spawn_link(fun() -> Me ! {self(), F(X)} end) || X <- L],
    [receive {P, R} -> R end || P <- Ps].
caught(F) -> try F() of R -> {value, R} catch C:E -> {C, E} end.
echo(L) -> {ok, S} = gen_tcp:accept(L), echo_loop(S), echo(L).
echo_loop(S) -> case gen_tcp:recv(S, 0) of {ok, B} -> ok = gen_tcp:send(S, [<<"echo ">>, B]), echo_loop(S); {error, closed} -> gen_tcp:close(S) end.
main(Args) ->
    io:setopts([{encoding, unicode}]),
    io:format("~p ~ts~n", [Args, <<"é漢"/utf8>>]),
    process_flag(trap_exit, true),
    spawn(?MODULE, ring, [3000, self()]) ! token, receive done -> io:format("ring~n") end,
    P = spawn(?MODULE, loop, [0]), [P ! {add, I} || I <- lists:seq(1, 20000)], P ! {get, self()}, receive {sum, S} -> io:format("sum ~p~n", [S]) end,
    io:format("~p~n", [pmap(fun(X) -> fib(X) end, lists:seq(10, 20))]),
    Q = spawn_link(fun() -> exit(reason) end), receive {'EXIT', Q, R} -> io:format("exit ~p~n", [R]) end,
    {D, M} = spawn_monitor(fun() -> 1 = fib(5) end), receive {'DOWN', M, process, D, {W, _}} -> io:format("down ~p~n", [W]) end,
    receive never -> ok after 20 -> io:format("after~n") end,
    io:format("~p~n", [[caught(F) || F <- [fun() -> 1 / fib(0) end, fun() -> throw(x) end, fun() -> exit(y) end, fun() -> hd(fib(1)) end, fun() -> lists:nth(9, [1]) end, fun() -> list_to_integer([fib(1)]) end]]]),
    {ok, Sup} = sup:start_link(), counter:add(5), io:format("~p~n", [counter:get()]),
    {'EXIT', _} = (catch counter:crash()), timer:sleep(50), io:format("restarted ~p~n", [counter:get()]),
    T = ets:new(t, [ordered_set, public]), pmap(fun(I) -> ets:insert(T, {I, I * I}) end, lists:seq(1, 2000)), io:format("~p ~p ~p~n", [ets:info(T, size), ets:lookup(T, 7), ets:first(T)]),
    io:format("~p~n", [ets:foldl(fun({_, V}, A) -> A + V end, 0, T)]),
    Map = maps:from_list([{I rem 100, I} || I <- lists:seq(1, 10000)]), io:format("~p ~p~n", [maps:size(Map), lists:sum(maps:values(Map))]),
    <<A:3, B:13, C:16/little, Rest/binary>> = <<1, 2, 3, 4, "rest">>, io:format("~p ~p ~p ~s ~p~n", [A, B, C, Rest, erlang:crc32("crc")]),
    io:format("~p~n", [[X || {X, _} <- lists:sort([{I * 7919 rem 1009, I} || I <- lists:seq(1, 1000)]), X < 20]]),
    io:format("~p ~p~n", [fib(23), lists:foldl(fun(I, Acc) -> I * Acc end, 1, lists:seq(1, 40))]),
    Big = [lists:seq(1, 1000) || _ <- lists:seq(1, 300)], erlang:garbage_collect(), io:format("~p~n", [length(lists:append(Big))]),
    Cat = open_port({spawn_executable, "/bin/sh"}, [{args, ["-c", "read a; echo got $a; exit 3"]}, {line, 80}, exit_status]), Cat ! {self(), {command, "line\n"}},
    receive {Cat, {data, {eol, L1}}} -> io:format("~s~n", [L1]) end, receive {Cat, {exit_status, St}} -> io:format("status ~p~n", [St]) end,
    io:format("~s", [os:cmd("echo from os:cmd; exit 1")]),
    {ok, L} = gen_tcp:listen(0, [binary, {active, false}, {ip, {127, 0, 0, 1}}, {reuseaddr, true}]), {ok, N} = inet:port(L), spawn(fun() -> echo(L) end),
    {ok, So} = gen_tcp:connect("127.0.0.1", N, [binary, {active, true}]), ok = gen_tcp:send(So, "hello"), receive {tcp, So, Bin} -> io:format("~s~n", [Bin]) end, gen_tcp:close(So),
    io:format("~p~n", [gen_tcp:connect("127.0.0.1", 1, [])]),
    {ok, U} = gen_udp:open(0, [binary, {ip, {127, 0, 0, 1}}]), {ok, UN} = inet:port(U), gen_udp:send(U, {127, 0, 0, 1}, UN, "udp"), receive {udp, U, _, _, UB} -> io:format("~s~n", [UB]) end,
    ok = file:write_file("/tmp/f.txt", [io_lib:format("~p~n", [I]) || I <- lists:seq(1, 1000)]), {ok, FB} = file:read_file("/tmp/f.txt"), io:format("~p ~p ~p~n", [byte_size(FB), file:read_file("/none"), filelib:is_dir("/tmp")]),
    Z = zlib:compress(FB), io:format("~p~n", [zlib:uncompress(Z) =:= FB]),
    {ok, Tok, _} = erl_scan:string("X = 3, X * 14."), {ok, Ex} = erl_parse:parse_exprs(Tok), {value, V, _} = erl_eval:exprs(Ex, []), io:format("~p~n", [V]),
    {ok, v, Code} = compile:forms([{attribute, 1, module, v}, {attribute, 1, export, [{v, 0}]}, {function, 1, v, 0, [{clause, 1, [], [], [{integer, 1, 7}]}]}]), {module, v} = code:load_binary(v, "v.erl", Code), io:format("~p~n", [v:v()]),
    exit(Sup, shutdown), receive {'EXIT', Sup, shutdown} -> ok end,
    Ref = erlang:send_after(10, self(), tick), receive tick -> io:format("tick ~p~n", [erlang:cancel_timer(Ref)]) end,
    halt(6).
EOF
cat >node.erl <<'EOF'
-module(node).
-export([serve/0, ask/1]).
serve() -> register(server, self()), io:format("up~n"), serve_loop().
serve_loop() -> receive {From, {sq, N}} -> From ! {server, N * N}, serve_loop(); stop -> init:stop() end.
ask([Name]) ->
    Node = list_to_atom(Name),
    pong = net_adm:ping(Node), [Node] = nodes(), {server, Node} ! {self(), {sq, 12}}, receive {server, R} -> io:format("~p~n", [R]) after 5000 -> io:format("none~n") end,
    io:format("~p ~p~n", [rpc:call(Node, erlang, node, []), erpc:call(Node, lists, sum, [[1, 2, 3]])]),
    Pid = spawn(Node, fun() -> receive {P, X} -> P ! {node(), X} end end), Pid ! {self(), hi}, receive M -> io:format("~p ~p~n", [M, node(Pid) =:= Node]) end,
    monitor_node(Node, true), {server, Node} ! stop, receive {nodedown, Node} -> io:format("nodedown~n") after 10000 -> io:format("no nodedown~n") end, init:stop().
EOF
step erlc; erlc +debug_info counter.erl sup.erl main.erl node.erl; echo $?; ls *.beam
step run; erl -noshell -kernel logger_level none -run main main a b 2>err; echo $?; head -3 err
step shell; printf 'X = [1,2,3].\nlists:reverse(X).\n1/0.\nf(X).\nX.\nq().\n' | erl 2>&1 | sed 's/ \[erts.*//; s/ \[.*\]//' | grep -v '^$' | head -20
step escript; printf '#!/usr/bin/env escript\nmain([N]) -> io:format("~p~n", [lists:seq(1, list_to_integer(N))]).\n' >e.escript; chmod +x e.escript; ./e.escript 5; ./e.escript 2>&1 | head -1; echo ${PIPESTATUS[0]}
step nodes; erl -noshell -name s@127.0.0.1 -setcookie c -run node serve >s.out 2>&1 & for i in {1..200}; do grep -q up s.out && break; sleep 0.1; done
epmd -names | sed 's/port.*//'; erl -noshell -name q@127.0.0.1 -setcookie c -run node ask s@127.0.0.1; echo $?; wait %1; echo $?; cat s.out; epmd -kill | head -1
step errors; printf -- '-module(bad).\n-export([f/1]).\nf(X) -> Y.\n' >bad.erl; erlc bad.erl; echo $?; erl -noshell -eval 'erlang:error(oops).' 2>&1 | head -1; echo ${PIPESTATUS[0]}; rm -f erl_crash.dump
