# Mono: mcs and mono: generics, LINQ, async, threads and tasks, exceptions from faults, collections of generations, files, sockets, processes, reflection, P/Invoke.
# image: languages
# package: mono-runtime mono-mcs
# options: --memory 3G
export HOME=/tmp; cd /tmp
step() { echo "== $*"; }
cat >lib.cs <<'EOF'
using System;
namespace Lib {
    public interface IShape { double Area { get; } }
    [Serializable] public struct Point { public int X, Y; public override string ToString() => $"({X},{Y})"; }
    public class Circle : IShape { public double R; public double Area => Math.PI * R * R; }
    public class Mine : Exception { public Mine(string m, Exception inner) : base(m, inner) {} }
    public static class Ext { public static string Twice(this string s) => s + s; }
}
EOF
cat >main.cs <<'EOF'
using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.IO.Compression;
using System.Linq;
using System.Net;
using System.Net.Sockets;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
using Lib;

class Node { public Node Next; public int Value; public byte[] Data = new byte[64]; }
class Finalized { public static int Count; ~Finalized() { Interlocked.Increment(ref Count); } }
class Program {
    [DllImport("libc")] static extern int getppid();
    [DllImport("libc", SetLastError = true)] static extern int close(int fd);
    [DllImport("libc")] static extern IntPtr strlen(string s);
    delegate int Compare(IntPtr a, IntPtr b);
    [DllImport("libc")] static extern void qsort(int[] a, IntPtr n, IntPtr size, Compare c);
    [ThreadStatic] static int local;
    static int Fib(int n) => n < 2 ? n : Fib(n - 1) + Fib(n - 2);
    static string Try(Action a) { try { a(); return "nothing"; } catch (Exception e) { return e.GetType().Name; } }
    [MethodImpl(MethodImplOptions.NoInlining)] static int Field(Node n) => n.Value;
    static IEnumerable<int> Primes() { for (int i = 2; ; i++) if (Enumerable.Range(2, Math.Max(0, (int)Math.Sqrt(i) - 1)).All(d => i % d != 0)) yield return i; }
    static async Task<int> Slow(int n) { await Task.Delay(n); return n * 2; }
    static int Deep(int n) => 1 + Deep(n + 1) * 2;

    static void Faults() {
        int nulls = 0, zero = 0; object o = "s"; Node none = null;
        for (int i = 0; i < 2000; i++) { try { Field(i % 2 == 0 ? none : new Node()); } catch (NullReferenceException) { nulls++; } }
        Console.WriteLine(nulls + " " + string.Join(" ", new[] { Try(() => Console.WriteLine(1 / zero)), Try(() => new int[2][zero + 5].ToString()), Try(() => ((int[])o)[0]++), Try(() => checked(int.MaxValue + (zero + 1)).ToString()), Try(() => int.Parse("q")), Try(() => none.Data[0] = 1), Try(() => { throw new Mine("m", null); }), Try(() => Activator.CreateInstance(typeof(IShape))) }));
        try { try { throw new InvalidOperationException("inner"); } catch (Exception e) when (e.Message == "inner") { throw new Mine("outer", e); } finally { Console.WriteLine("finally"); } }
        catch (Mine e) { Console.WriteLine(e.Message + " <- " + e.InnerException.Message); }
        var t = new Thread(() => { try { Thread.Sleep(100000); } catch (ThreadAbortException) { Console.WriteLine("aborted"); } }); t.Start(); Thread.Sleep(50); t.Abort(); t.Join();
    }
    static void Threads() {
        int n = 0; long sum = 0; var gate = new object();
        var ts = Enumerable.Range(0, 8).Select(i => new Thread(() => { for (int k = 0; k < 10000; k++) { Interlocked.Increment(ref n); lock (gate) sum += k ^ i; local += 1; } if (local != 10000) Console.WriteLine("local"); })).ToList();
        ts.ForEach(t => t.Start()); ts.ForEach(t => t.Join());
        Console.WriteLine(n + " " + sum);
        var q = new BlockingCollection<int>(5); var p = Task.Run(() => { for (int i = 0; i < 1000; i++) q.Add(i); q.CompleteAdding(); }); Console.WriteLine(q.GetConsumingEnumerable().Sum()); p.Wait();
        Console.WriteLine(Task.WhenAll(Enumerable.Range(1, 10).Select(Slow)).Result.Sum());
        Console.WriteLine(Enumerable.Range(1, 50000).AsParallel().Where(x => x % 3 == 0).Select(x => (long)x * x).Sum());
        long total = 0; Parallel.For(0, 1000, () => 0L, (i, s, l) => l + i, l => Interlocked.Add(ref total, l)); Console.WriteLine(total);
        var cts = new CancellationTokenSource(20); try { Task.Delay(100000, cts.Token).Wait(); } catch (AggregateException e) { Console.WriteLine(e.InnerException.GetType().Name); }
        var timer = new ManualResetEventSlim(); using (new Timer(_ => timer.Set(), null, 10, -1)) Console.WriteLine(timer.Wait(10000));
        var d = new ConcurrentDictionary<int, int>(); Parallel.For(0, 2000, i => d.AddOrUpdate(i % 10, 1, (k, v) => v + 1)); Console.WriteLine(d.Values.Sum());
    }
    static void Garbage() {
        Node keep = null; for (int i = 0; i < 300000; i++) { var n = new Node { Value = i }; if (i % 100 == 0) { n.Next = keep; keep = n; } }
        long s = 0; for (var n = keep; n != null; n = n.Next) s += n.Value;
        for (int i = 0; i < 50; i++) new byte[1 << 20][5] = 1;
        for (int i = 0; i < 1000; i++) new Finalized(); GC.Collect(); GC.WaitForPendingFinalizers();
        Console.WriteLine(s + " " + (GC.CollectionCount(0) > 0) + " " + (Finalized.Count > 900));
    }
    static void System_() {
        File.WriteAllText("/tmp/a.txt", "eins\nzwei é漢\n"); Console.WriteLine(File.ReadAllLines("/tmp/a.txt").Length + " " + new FileInfo("/tmp/a.txt").Length + " " + Try(() => File.ReadAllText("/tmp/none")));
        Directory.CreateDirectory("/tmp/d/e"); File.Copy("/tmp/a.txt", "/tmp/d/e/b.txt"); Console.WriteLine(string.Join(" ", Directory.GetFileSystemEntries("/tmp/d", "*", SearchOption.AllDirectories).OrderBy(x => x))); Directory.Delete("/tmp/d", true);
        var ms = new MemoryStream(); using (var g = new GZipStream(ms, CompressionMode.Compress, true)) g.Write(new byte[50000], 0, 50000); ms.Position = 0; var back = new MemoryStream(); new GZipStream(ms, CompressionMode.Decompress).CopyTo(back); Console.WriteLine(back.Length);
        var info = new ProcessStartInfo("sh", "-c \"read a; echo got $a; echo e >&2; exit 4\"") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        using (var p = Process.Start(info)) { p.StandardInput.WriteLine("in"); Console.Write(p.StandardOutput.ReadToEnd()); Console.Write(p.StandardError.ReadToEnd()); p.WaitForExit(); Console.WriteLine(p.ExitCode); }
        using (var p = Process.Start(new ProcessStartInfo("sleep", "100") { UseShellExecute = false })) { p.Kill(); Console.WriteLine(p.WaitForExit(10000)); }
        var l = new TcpListener(IPAddress.Loopback, 0); l.Start(); var at = (IPEndPoint)l.LocalEndpoint;
        var server = Task.Run(async () => { for (int i = 0; i < 3; i++) using (var c = await l.AcceptTcpClientAsync()) using (var r = new StreamReader(c.GetStream())) using (var w = new StreamWriter(c.GetStream()) { AutoFlush = true }) await w.WriteLineAsync("echo " + await r.ReadLineAsync()); });
        for (int i = 0; i < 3; i++) using (var c = new TcpClient("127.0.0.1", at.Port)) { var w = new StreamWriter(c.GetStream()) { AutoFlush = true }; w.WriteLine("line " + i); Console.WriteLine(new StreamReader(c.GetStream()).ReadLine()); }
        server.Wait(); try { new TcpClient("127.0.0.1", 1); } catch (SocketException e) { Console.WriteLine(e.SocketErrorCode); }
        var u = new UdpClient(0); u.Send(new byte[] { 1, 2, 3 }, 3, new IPEndPoint(IPAddress.Loopback, ((IPEndPoint)u.Client.LocalEndPoint).Port)); IPEndPoint from = null; Console.WriteLine(u.Receive(ref from).Length);
        Console.WriteLine(getppid() > 0); close(-1); Console.WriteLine(Marshal.GetLastWin32Error() + " " + strlen("four") ); var a = new[] { 3, 1, 2 }; qsort(a, (IntPtr)3, (IntPtr)4, (x, y) => Marshal.ReadInt32(x) - Marshal.ReadInt32(y)); Console.WriteLine(string.Join("", a));
    }
    static void Main(string[] args) {
        Console.WriteLine(string.Join("|", args) + " " + "é漢".Twice() + " " + new Point { X = 1, Y = 2 } + " " + new Circle { R = 2 }.Area.ToString("F4"));
        Console.WriteLine(Fib(27) + " " + string.Join(",", Primes().Skip(500).Take(3)) + " " + decimal.Parse("1.10") * 3 + " " + System.Numerics.BigInteger.Pow(7, 60));
        Console.WriteLine(string.Join(" ", "the cat the dog".Split(' ').GroupBy(w => w).OrderBy(g => g.Key).Select(g => g.Key + g.Count())) + " " + Regex.Replace("a1b22", @"\d+", m => $"<{m.Value}>") + $" {new DateTime(2024, 2, 29).AddYears(1):yyyy-MM-dd} {255:X4} {1234.5:N1}");
        Faults(); Threads(); Garbage(); System_();
        dynamic dyn = new List<int> { 1, 2 }; dyn.Add(3); Console.WriteLine(dyn.Count + " " + typeof(Program).GetMethod("Fib", BindingFlags.NonPublic | BindingFlags.Static).Invoke(null, new object[] { 10 }));
        var dm = new DynamicMethod("add", typeof(int), new[] { typeof(int), typeof(int) }); var il = dm.GetILGenerator(); il.Emit(OpCodes.Ldarg_0); il.Emit(OpCodes.Ldarg_1); il.Emit(OpCodes.Add); il.Emit(OpCodes.Ret); Console.WriteLine(((Func<int, int, int>)dm.CreateDelegate(typeof(Func<int, int, int>)))(2, 40));
        if (args.Length > 2) Deep(0);
        AppDomain.CurrentDomain.ProcessExit += (s, e) => Console.WriteLine("exit"); 
        if (args.Length > 1) throw new Mine("unhandled", null);
        Environment.Exit(7);
    }
}
EOF
step compile; mcs -target:library -out:lib.dll lib.cs; mcs -optimize+ -r:lib.dll -r:System.Core -r:System.Numerics -r:Microsoft.CSharp -out:main.exe main.cs 2>&1; echo $?
step run; mono main.exe a 2>err; echo $?; cat err
step unhandled; mono main.exe a b 2>&1 | tail -4 | sed 's/<[0-9a-f]*>/<>/; s/0x[0-9a-f]*//g'; echo ${PIPESTATUS[0]}; mono main.exe a b c >out 2>&1; echo $?; grep -o 'Stack overflow\|StackOverflowException' out | sort -u
step modes; mono --debug -O=-all main.exe x >o1 2>&1; echo $?; MONO_GC_PARAMS=nursery-size=1m,major=marksweep mono --gc=sgen main.exe x >o2; echo $?; diff o1 o2 && echo same
step errors; printf 'class A { int f() { return "x"; } }\n' >e.cs; mcs -target:library e.cs; echo $?; printf 'class A { static int Main() { System.Console.WriteLine("hi"); return 3; } }' >h.cs; mcs h.cs && chmod +x h.exe && cli h.exe; echo $?
