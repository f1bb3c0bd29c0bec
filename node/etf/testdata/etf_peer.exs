# Speaks to the tests as etf_peer.erl does, in Elixir's expressions.
defmodule Peer do
  def loop(port, last) do
    receive do
      {^port, {:data, "e" <> text}} ->
        {value, _} = Code.eval_string(text)

        reply =
          for options <- [[minor_version: 2], [{:minor_version, 2}, :deterministic], [], [:compressed]] do
            bytes = :erlang.term_to_binary(value, options)
            [<<byte_size(bytes)::32>>, bytes]
          end

        Port.command(port, reply)
        loop(port, value)

      {^port, {:data, "c" <> bytes}} ->
        value = :erlang.binary_to_term(bytes)
        Port.command(port, if(value === last, do: "same", else: inspect({value, last})))
        loop(port, last)

      {^port, :eof} ->
        System.halt()
    end
  end
end

Peer.loop(Port.open({:fd, 3, 4}, [:binary, :eof, packet: 4]), nil)
