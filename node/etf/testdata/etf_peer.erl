%% Speaks to the tests over descriptors 3 and 4, in packets of four bytes' length.
%%   e, an expression  -> its value in each form that term_to_binary gives, by length
%%   c, a term's bytes -> "same" if it is the value of the last e, else what it is
%%   x, n as a u32     -> a byte for each of the first n bodies of two bytes, the tag
%%                        being the lower: 0 if it is no term, or how many bytes of it
%%                        are in use, with the version
-module(etf_peer).
-export([main/0]).

main() ->
    Port = open_port({fd, 3, 4}, [binary, {packet, 4}, eof]),
    loop(Port, undefined).

loop(Port, Last) ->
    receive
        {Port, {data, <<"e", Text/binary>>}} ->
            {Reply, Value} = try evaluate(Text) of
                V -> {[sized(term_to_binary(V, O)) || O <- options()], V}
            catch
                C:R -> {sized(iolist_to_binary(io_lib:format("~p:~p", [C, R]))), undefined}
            end,
            port_command(Port, Reply),
            loop(Port, Value);
        {Port, {data, <<"c", Bytes/binary>>}} ->
            Size = byte_size(Bytes),
            Reply = try binary_to_term(Bytes, [used]) of
                {V, Size} when V =:= Last -> <<"same">>;
                {V, Used} -> io_lib:format("~w, ~b bytes in use, of ~w", [V, Used, Last])
            catch
                C:R -> io_lib:format("~w:~w", [C, R])
            end,
            port_command(Port, unicode:characters_to_binary(Reply)),
            loop(Port, Last);
        {Port, {data, <<"x", N:32>>}} ->
            port_command(Port, [used(I) || I <- lists:seq(0, N - 1)]),
            loop(Port, Last);
        {Port, eof} ->
            halt()
    end.

evaluate(Text) ->
    {ok, Tokens, _} = erl_scan:string(unicode:characters_to_list(<<Text/binary, ".">>)),
    {ok, Exprs} = erl_parse:parse_exprs(Tokens),
    {value, Value, _} = erl_eval:exprs(Exprs, []),
    Value.

options() ->
    [[{minor_version, 2}], [{minor_version, 2}, deterministic], [], [{minor_version, 1}],
     [{minor_version, 0}], [compressed], [{compressed, 9}, {minor_version, 2}]].

sized(B) -> [<<(byte_size(B)):32>>, B].

used(I) ->
    try binary_to_term(<<131, I:16/little>>, [used]) of
        {_, Used} -> Used
    catch
        _:_ -> 0
    end.
