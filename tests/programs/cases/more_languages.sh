# More languages: LuaJIT, Tcl, Expect, Racket, Nim, Elixir, OCaml, Gforth, clang, gfortran, Ada.
# image: extras
# package: luajit tcl8.6 expect racket nim elixir ocaml gforth clang-14 gfortran-12 gnat-12
# options: --memory 2G
cd /tmp || exit
export HOME=/tmp
luajit -e 'local s=0 for i=1,1e7 do s=s+i%7 end print(s) local ffi=require"ffi" ffi.cdef"int getpid()" print(ffi.C.getpid()>0) print(pcall(error,"e"))'
tclsh <<'T'
puts [expr {2**100}]; after 100 {set x 1}; vwait x; puts $x
set s [socket -server {apply {{c a p} {puts $c hi; close $c}}} 0]
set c [socket 127.0.0.1 [lindex [fconfigure $s -sockname] 2]]
fileevent $c readable {gets $c l; puts $l; set y 1}; vwait y; puts [exec echo sub]
T
expect -c 'spawn -noecho python3 -q; expect ">>> "; send "6*7\r"; expect "42"; send "exit()\r"; expect eof; puts [lindex [wait] 3]' | tail -n 1
racket -e '(displayln (expt 2 100)) (displayln (thread-wait (thread (lambda () (void))))) (displayln (for/sum ([i 1000]) i)) (displayln (with-handlers ([exn? exn-message]) (car (list))))'
printf 'import std/[tables,strutils]\nvar t = {"a": 1}.toTable\nt["b"] = 2\necho t.len, " ", "x".repeat(3)\ntry: discard parseInt("z")\nexcept ValueError: echo "caught"\n' >a.nim && nim c --hints:off --verbosity:0 --nimcache:/tmp/nc -r a.nim 2>&1
elixir -e 'IO.puts Enum.sum(1..100); me = self(); spawn(fn -> send(me, :hi) end); receive do m -> IO.inspect m end; IO.inspect Task.await_many(for i <- 1..3, do: Task.async(fn -> i * i end))'
printf 'let rec f n = if n < 2 then n else f (n-1) + f (n-2);;\nprint_int (f 25); print_newline ();;\ntry failwith "x" with Failure s -> print_endline s\n' >a.ml && ocaml a.ml && ocamlopt a.ml -o a && ./a
gforth -e ': sq dup * ; : up 0 do i . loop ; 12 sq . cr 10 up cr bye'
printf 'int printf(const char *, ...); int main(void) { double s = 0; for (int i = 0; i < 1000; i++) s += i / 3.0; printf("%%f\\n", s); }\n' >a.c
clang -O2 a.c -o a && ./a; clang -fuse-ld=lld -O1 a.c -o c && ./c; clang -fsanitize=undefined a.c -o b 2>&1 && ./b
printf 'int main(int c, char **v) { (void)v; int x = 2147483647; x += c; return x == 0; }\n' >u.c && gcc -fsanitize=undefined u.c -o u && ./u 2>&1
printf 'program a\nreal(8)::x(3)=[1,2,3]\nprint *,sum(x**2),matmul(reshape([1,2,3,4],[2,2]),[1,1])\nend\n' >a.f90 && gfortran a.f90 -o f && ./f
printf 'with Ada.Text_IO; use Ada.Text_IO; procedure A is task T; task body T is begin Put_Line("task"); raise Constraint_Error; exception when Constraint_Error => Put_Line("caught"); end T; begin null; end A;\n' >a.adb && gnatmake -q a.adb -o ada && ./ada
