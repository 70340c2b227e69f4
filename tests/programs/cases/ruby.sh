# Ruby: the language, threads, Fiber and Ractor, fork, signals and pipes, sockets, HTTP, TLS, IO.select, its gems, irb, erb and rake.
# image: userland
# package: ruby
cd /tmp && mkdir r && cd r || exit
run() { echo "== $1"; timeout 60 ruby -W0 "$@"; local status=$?; [ $status = 0 ] || echo "status $status"; }
cat >language.rb <<'END'
require 'set'; require 'json'; require 'bigdecimal'; require 'date'; require 'digest'; require 'zlib'; require 'yaml'; require 'csv'; require 'securerandom'; require 'objspace'; require 'pp'; require 'tempfile'; require 'stringio'; require 'open3'; require 'erb'; require 'strscan'; require 'fiddle'; require 'matrix' rescue p $!
p RUBY_VERSION[0, 3], 2**200, 1.0 / 3, 1r / 3, Complex(1, 2)**2, "añ😀".bytes.size, :sym.to_proc.call("x") rescue p $!
p [3, 1, 2].sort.lazy.map { _1 * 2 }.select(&:even?).first(2), { a: 1, **{ b: 2 } }.to_a.transpose, (1..Float::INFINITY).lazy.map { |x| x * 2 }.first(3), %w[a b].each_with_index.to_h
case { name: "n", list: [1, [2, 3]] }
in { name: String => n, list: [Integer, [*, last]] }
  p n, last
end
p "2024-02-29" =~ /(?<y>\d+)-(?<m>\d+)/ && $~[:m], "x-y".tr('a-y', 'b-z'), "%05.2f|%-5s|%x" % [3.14159, "ab", 255], "abc".unpack("C*"), [1, 2].pack("s>l<").bytes, "é".encode("ISO-8859-1").bytes, "a".crypt("ab")
p JSON.parse(JSON.generate({ "a" => [1, nil, 2.5] })), YAML.load("a: [1, 2]\nb: {c: d}"), CSV.parse("a,\"b \"\"q\"\"\"\n").first, Date.new(2024, 2, 29).next_year.to_s, BigDecimal("0.1") + BigDecimal("0.2"), Digest::SHA256.hexdigest("x")[0, 16], Zlib::Inflate.inflate(Zlib::Deflate.deflate("z" * 1000)).size, ERB.new("<% 3.times do |i| %><%= i %>,<% end %>").result
class Foo; include Comparable; attr_accessor :n; def initialize(n) = @n = n; def <=>(o) = n <=> o.n; def method_missing(m, *a) = "#{m}#{a}"; def respond_to_missing?(*) = true; end
p Foo.new(1) < Foo.new(2), Foo.new(1).anything(5), [Foo.new(3), Foo.new(2)].min.n, Foo.instance_methods(false).sort, ObjectSpace.each_object(Class).count > 100
def deep(n) = deep(n + 1)
begin; deep(0); rescue SystemStackError => e; puts e.message; end
begin; Integer("x"); rescue => e; puts e.full_message(highlight: false).lines.first; ensure puts "ensured"; end
p catch(:done) { 10.times { |i| throw :done, i if i == 3 } }, __method__.inspect, binding.local_variables.size > 0, ObjectSpace.garbage_collect, GC.count > 0
a = 0; 3_000_000.times { |i| a = (a * 31 + i) & 0xffffffff }; p a
h = Hash.new(0); 200_000.times { |i| h["k#{i % 1000}"] += i }; p h.size, h["k7"]; GC.compact rescue p $!
def fib(n) = n < 2 ? n : fib(n - 1) + fib(n - 2)
p fib(22), Fiddle::Function.new(Fiddle.dlopen(nil)['abs'], [Fiddle::TYPE_INT], Fiddle::TYPE_INT).call(-5)
p RubyVM::InstructionSequence.compile("1+1").disasm.include?("opt_plus"), Process.clock_gettime(Process::CLOCK_MONOTONIC) > 0, Etc.respond_to?(:getlogin), ENV["PATH"].size > 5
END
run language.rb
cat >parallel.rb <<'END'
$stdout.sync = true
require 'timeout'; require 'monitor'
Thread.report_on_exception = false
q = SizedQueue.new(3); t = 4.times.map { Thread.new { n = 0; while (x = q.pop) do n += x end; n } }; 500.times { q << _1 }; 4.times { q << nil }; p t.sum(&:value)
m, c, ready = Mutex.new, ConditionVariable.new, false
w = Thread.new { m.synchronize { c.wait(m) until ready; :woken } }; sleep 0.02; m.synchronize { ready = true; c.broadcast }; p w.value
t = Thread.new { sleep }; sleep 0.02; p t.status; t.raise(IOError, "from outside"); begin; t.join; rescue IOError => e; p e.message; end
p (Thread.new { raise "x" }.join rescue $!.message), Thread.new { Thread.current[:a] = 1; Thread.current[:a] }.value
begin; Timeout.timeout(0.05) { sleep 9 }; rescue Timeout::Error => e; p e.class; end
begin; Timeout.timeout(0.05) { loop {} }; rescue Timeout::Error => e; p e.class; end
p 300.times.map { |i| Thread.new { Thread.pass; i } }.sum(&:value)
begin; m.lock; Thread.new { m.lock }.tap { |x| p x.join(0.05) }.kill; m.unlock; end
f = Fiber.new { |x| y = Fiber.yield(x + 1); Fiber.yield(y * 2); :end }; p f.resume(1), f.resume(5), f.resume, f.alive?
e = Enumerator.new { |y| a, b = 0, 1; loop { y << a; a, b = b, a + b } }; p e.take(10), e.next, e.next, e.peek, e.lazy.select(&:odd?).first(4)
p 2000.times.map { |i| Fiber.new { Fiber.yield i; i } }.sum { |x| x.resume + x.resume }
r = 3.times.map { |i| Ractor.new(i) { |n| msg = Ractor.receive; (1..20000).sum * n + msg } }; r.each_with_index { |x, i| x.send(i) }; p r.map(&:take)
pipe = Ractor.new { loop { Ractor.yield Ractor.receive.upcase } }; pipe << "ractor"; p pipe.take; begin; Ractor.new { raise "inside" }.take; rescue Ractor::RemoteError => e; p e.cause.message; end
END
run parallel.rb
cat >processes.rb <<'END'
$stdout.sync = true
require 'socket'; require 'open3'; require 'io/wait'; require 'tempfile'; require 'fileutils'; require 'pty'; require 'io/console'; require 'etc'
r, w = IO.pipe; pid = fork { r.close; w.puts "from child #{Process.ppid > 0}"; exit! 3 }; w.close; p r.read, Process.wait2(pid)[1].exitstatus
p `echo hi; exit 2`, $?.exitstatus, system("exit 1"), system("nosuchprogram"), Open3.capture3("cat; echo e >&2", stdin_data: "in").first(2), IO.popen(%w[tr a-z A-Z], "r+") { |io| io.write "popen"; io.close_write; io.read }
pid = spawn("sleep 9"); Process.kill(:TERM, pid); p Process.wait2(pid)[1].termsig; pid = spawn({ "A" => "env" }, "echo $A; pwd", chdir: "/usr", out: "out", unsetenv_others: true); Process.wait pid; p File.read("out")
got = []; trap(:USR1) { got << :usr1 }; trap("EXIT") { puts "at exit" }; Process.kill(:USR1, $$); sleep 0.02; p got; old = trap(:INT) { raise Interrupt, "again" }; begin; Process.kill(:INT, $$); sleep 1; rescue Interrupt => e; p e.message; end
rs = 5.times.map { |i| a, b = IO.pipe; fork { sleep 0.02 * (5 - i); b.write i; exit! }; b.close; a }; n = 0; until rs.empty?; IO.select(rs, nil, nil, 9)[0].each { |x| (d = x.read_nonblock(9, exception: false)).nil? ? (rs.delete(x); x.close) : n += d.to_i }; end; Process.waitall; p n
p IO.select([r = IO.pipe[0]], nil, nil, 0.02), (IO.pipe[0].read_nonblock(1) rescue $!.class), IO.select(nil, [$stdout])[1].size
s = TCPServer.new("127.0.0.1", 0); port = s.addr[1]; t = Thread.new { 5.times.map { c = s.accept; Thread.new { while l = c.gets do c.puts l.chomp.reverse end; c.close } }.each(&:join) }
p 5.times.map { |i| Thread.new { c = TCPSocket.new("127.0.0.1", port); c.puts "client #{i}"; x = c.gets; c.close; x } }.map(&:value); t.join; s.close
p (TCPSocket.new("127.0.0.1", port) rescue $!.class), UNIXSocket.pair.then { |a, b| a.send_io($stdout); b.recv_io.fileno > 2 }, Socket.getaddrinfo("127.0.0.1", 80, nil, :STREAM)[0][3], UDPSocket.new.then { |u| u.bind("127.0.0.1", 0); u.send("dgram", 0, "127.0.0.1", u.addr[1]); u.recvfrom(9)[0] }
server = fork { u = UNIXServer.new("/tmp/r/s"); 3.times { c = u.accept; fork { c.write "served #{c.read}"; c.close; exit! }; c.close }; Process.waitall; exit! }
sleep 0.02 until File.socket?("/tmp/r/s"); p 3.times.map { |i| UNIXSocket.open("/tmp/r/s") { |c| c.write i; c.close_write; c.read } }; Process.wait server
PTY.spawn("stty size; read x; echo got $x") { |i, o, pid| p i.gets; o.puts "typed"; p i.gets, i.gets; Process.wait pid }
FileUtils.mkdir_p "a/b"; File.write("a/b/f", "x\n" * 5); File.open("a/b/f", "r+") { |f| f.flock(File::LOCK_EX); f.seek(2); f.write "Y"; p f.pos, f.stat.size; f.truncate 4 }; p IO.readlines("a/b/f", chomp: true), Dir.glob("**/*").sort, File.lstat("a").directory?, (File.open("nope") rescue $!.message), File.symlink("f", "a/b/l"), File.realpath("a/b/l"); FileUtils.rm_r "a"
p Process.getrlimit(:NOFILE), Etc.getpwuid(0).name, Process.clock_getres(:MONOTONIC) > 0, Process.daemon.inspect.size > 0 if false
at_exit { puts "handler" }; fork { exit 5 }; p Process.wait2[1].exitstatus; abort "aborted"
END
run processes.rb
cat >web.rb <<'END'
require 'net/http'; require 'socket'; require 'openssl'; require 'uri'; require 'open-uri'; require 'drb'
$stdout.sync = true
s = TCPServer.new("127.0.0.1", 0); base = "http://127.0.0.1:#{s.addr[1]}"
Thread.new { loop { Thread.new(s.accept) { |c| m, path = c.gets.split; h = {}; while (l = c.gets.chomp) != "" do k, v = l.split(": ", 2); h[k.downcase] = v end; b = c.read(h["content-length"].to_i); body = "#{m} #{path} #{b.size}"; c.print "HTTP/1.1 #{path == '/no' ? 404 : 200} X\r\nContent-Length: #{body.size}\r\nConnection: close\r\n\r\n#{body}"; c.close } } }
p Net::HTTP.get(URI(base + "/a?b")), Net::HTTP.post(URI(base), "x" * 5000).body, URI.open(base + "/open").read, (URI.open(base + "/no") rescue $!.message), 20.times.map { |i| Thread.new { Net::HTTP.get_response(URI("#{base}/#{i}")).code } }.map(&:value).tally
key = OpenSSL::PKey::RSA.new(2048); cert = OpenSSL::X509::Certificate.new; cert.subject = cert.issuer = OpenSSL::X509::Name.parse("/CN=localhost"); cert.public_key = key.public_key; cert.serial = 1; cert.version = 2; cert.not_before = Time.now - 60; cert.not_after = Time.now + 3600; cert.sign(key, "SHA256")
ctx = OpenSSL::SSL::SSLContext.new; ctx.cert, ctx.key = cert, key; tcp = TCPServer.new("127.0.0.1", 0); ssl = OpenSSL::SSL::SSLServer.new(tcp, ctx); Thread.new { c = ssl.accept; c.puts c.gets.upcase; c.close }
c = OpenSSL::SSL::SSLSocket.new(TCPSocket.new("127.0.0.1", tcp.addr[1])).tap(&:connect); c.puts "over tls"; p c.gets, c.ssl_version, c.peer_cert.subject.to_s
class Remote; include DRb::DRbUndumped; def add(a, b) = a + b; end; DRb.start_service("druby://127.0.0.1:0", Remote.new); p DRbObject.new_with_uri(DRb.uri).add(2, 3); DRb.stop_service
p key.sign("SHA256", "m").then { key.verify("SHA256", _1, "m") }, OpenSSL::Cipher.new("aes-128-gcm").tap(&:encrypt).then { |x| x.key = "k" * 16; x.iv = "i" * 12; (x.update("s") + x.final).bytes }, OpenSSL::HMAC.hexdigest("SHA1", "k", "d")
END
run web.rb
gem list --local 2>/dev/null | grep -E '^(rake|minitest|json|test-unit) ' | cut -d' ' -f1; gem env version 2>/dev/null | cut -c1-2
mkdir g && cd g && mkdir lib && cat >x.gemspec <<'END'
Gem::Specification.new { |s| s.name = 'tiny'; s.version = '0.1'; s.summary = 'x'; s.authors = ['a']; s.files = ['lib/tiny.rb']; s.homepage = 'http://x'; s.license = 'MIT' }
END
echo 'module Tiny; A = 42; end' >lib/tiny.rb; gem build -q x.gemspec 2>&1 | grep -i error; gem install --local --no-document -q -i /tmp/r/gems tiny-0.1.gem | tail -1; GEM_PATH=/tmp/r/gems ruby -e 'require "tiny"; p Tiny::A'; cd ..
cat >test_it.rb <<'END'
require 'minitest/autorun'
class TestIt < Minitest::Test; def test_a = assert_equal(4, 2 + 2); def test_b = assert_raises(ZeroDivisionError) { 1 / 0 }; def test_c = skip; end
END
run test_it.rb | grep '^[0-9]* runs'
printf 'task :a do\n puts "a" end\ntask b: :a do\n sh "echo b" end\n' >Rakefile; rake b 2>&1; rake -T -A | wc -l
printf '1 + 1\ndef f = 5\nf * 2\nexit\n' | irb -f --noreadline --nocolorize --noecho-on-assignment 2>&1 | grep '=>'
echo '<%= 6 * 7 %>' | erb; printf 'b\na\n' | ruby -ne 'print $_.upcase if /a/'; ruby -e 'exit 9'; echo $?; ruby -ryaml -e 'puts({ "k" => [1] }.to_yaml)'; ruby -c language.rb; ruby -e 'raise "x"' 2>&1
{ ruby -e 'Process.kill(:KILL, $$)'; echo $?; } 2>/dev/null; ruby -e 'syntax error(' 2>&1 | head -1 | cut -c1-20
ruby --yjit -e 'def f(n) = n < 2 ? n : f(n-1) + f(n-2); p f(20)' 2>&1 | head -1; ruby --mjit -W0 -e 'p 1' 2>&1 | head -1
