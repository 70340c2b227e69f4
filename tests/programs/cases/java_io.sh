# Java's files, zip archives, sockets, HttpServer with HttpClient, processes, signals; jps, jstack and jcmd attached to a running program.
# image: languages
# package: openjdk-17-jdk-headless
# options: --memory 3G
export HOME=/tmp; mkdir -p /tmp/out; cd /tmp
step() { echo "== $*"; }
cat >Io.java <<'EOF'
import com.sun.net.httpserver.*;
import java.io.*;
import java.net.*;
import java.net.http.*;
import java.nio.*;
import java.nio.channels.*;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.nio.file.attribute.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.stream.*;
import java.util.zip.*;

public class Io {
    static void files() throws Exception {
        Path dir = Files.createDirectories(Path.of("/tmp/tree/a/b"));
        Files.writeString(dir.resolve("one.txt"), "eins\nzwei\n");
        Files.write(dir.resolve("two.bin"), new byte[100000]);
        Files.createSymbolicLink(dir.resolve("link"), Path.of("one.txt"));
        Files.setPosixFilePermissions(dir.resolve("one.txt"), PosixFilePermissions.fromString("rw-r-----"));
        Files.setLastModifiedTime(dir.resolve("two.bin"), FileTime.fromMillis(1000000000000L));
        try (var s = Files.walk(Path.of("/tmp/tree"))) { s.sorted().forEach(p -> System.out.println(p + (Files.isSymbolicLink(p) ? " ->" : ""))); }
        var at = Files.readAttributes(dir.resolve("one.txt"), PosixFileAttributes.class);
        System.out.println(at.owner() + " " + at.group() + " " + PosixFilePermissions.toString(at.permissions()) + " " + at.size() + " " + Files.getLastModifiedTime(dir.resolve("two.bin")));
        System.out.println(Files.readAllLines(dir.resolve("link")) + " " + Files.isSameFile(dir.resolve("link"), dir.resolve("one.txt")));
        try (FileChannel c = FileChannel.open(dir.resolve("two.bin"), StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            MappedByteBuffer m = c.map(FileChannel.MapMode.READ_WRITE, 4000, 90000);
            m.putInt(96, 0x12345678).putLong(80000, 42); m.force();
            ByteBuffer b = ByteBuffer.allocateDirect(4); c.read(b, 4096); b.flip();
            System.out.println(Integer.toHexString(b.getInt()) + " " + c.size());
            try (FileLock l = c.lock(0, 10, false)) { System.out.println(l.isValid() + " " + l.isShared()); }
            c.truncate(50); System.out.println(c.size());
        }
        try { Files.delete(Path.of("/tmp/tree/a")); } catch (DirectoryNotEmptyException e) { System.out.println(e); }
        try { Files.readString(Path.of("/tmp/none")); } catch (NoSuchFileException e) { System.out.println(e); }
        try (RandomAccessFile r = new RandomAccessFile("/tmp/raf", "rw")) { r.seek(1 << 20); r.writeUTF("é漢"); r.seek(1 << 20); System.out.println(r.readUTF() + r.length()); }
        WatchService w = FileSystems.getDefault().newWatchService();
        dir.register(w, StandardWatchEventKinds.ENTRY_CREATE);
        Files.move(dir.resolve("two.bin"), dir.resolve("three.bin"), StandardCopyOption.ATOMIC_MOVE);
        System.out.println(w.poll(10, TimeUnit.SECONDS).pollEvents().get(0).context());
    }
    static void zip() throws Exception {
        try (ZipOutputStream z = new ZipOutputStream(new FileOutputStream("/tmp/x.zip"))) {
            for (int i = 0; i < 3; i++) { ZipEntry e = new ZipEntry("e" + i + ".txt"); e.setTime(1000000000000L); z.putNextEntry(e); z.write("line\n".repeat(1000 * (i + 1)).getBytes()); z.closeEntry(); }
        }
        try (ZipFile f = new ZipFile("/tmp/x.zip")) { f.stream().forEach(e -> System.out.printf("%s %d %d %x%n", e.getName(), e.getSize(), e.getCompressedSize(), e.getCrc())); }
        try (FileSystem fs = FileSystems.newFileSystem(Path.of("/tmp/x.zip"))) { System.out.println(Files.lines(fs.getPath("e1.txt")).count()); }
        var g = new ByteArrayOutputStream(); try (var o = new GZIPOutputStream(g)) { o.write(new byte[1 << 16]); } System.out.println(g.size());
    }
    static void sockets() throws Exception {
        ServerSocket ss = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
        Thread t = new Thread(() -> { try { for (int i = 0; i < 3; i++) try (Socket s = ss.accept()) { s.getOutputStream().write(("echo " + new BufferedReader(new InputStreamReader(s.getInputStream())).readLine() + "\n").getBytes()); } } catch (IOException e) { System.out.println(e); } });
        t.start();
        for (int i = 0; i < 3; i++) try (Socket s = new Socket("localhost", ss.getLocalPort())) { s.setTcpNoDelay(true); s.getOutputStream().write(("n" + i + "\n").getBytes()); System.out.println(new BufferedReader(new InputStreamReader(s.getInputStream())).readLine()); }
        t.join(); ss.close();
        try { new Socket("127.0.0.1", 1).close(); } catch (ConnectException e) { System.out.println(e.getMessage()); }
        Selector sel = Selector.open(); ServerSocketChannel sc = ServerSocketChannel.open().bind(new InetSocketAddress("127.0.0.1", 0)); sc.configureBlocking(false); sc.register(sel, SelectionKey.OP_ACCEPT);
        SocketChannel client = SocketChannel.open(sc.getLocalAddress()); client.write(ByteBuffer.wrap("ping".getBytes()));
        for (boolean got = false; !got; ) { sel.select(); for (var it = sel.selectedKeys().iterator(); it.hasNext(); ) { var k = it.next(); it.remove();
            if (k.isAcceptable()) { var c = sc.accept(); c.configureBlocking(false); c.register(sel, SelectionKey.OP_READ); System.out.println("accepted"); }
            else { ByteBuffer b = ByteBuffer.allocate(9); ((SocketChannel) k.channel()).read(b); System.out.println(new String(b.array(), 0, b.position())); got = true; } } }
        DatagramSocket d = new DatagramSocket(0, InetAddress.getLoopbackAddress()); d.send(new DatagramPacket("udp".getBytes(), 3, d.getLocalSocketAddress())); var p = new DatagramPacket(new byte[9], 9); d.receive(p); System.out.println(new String(p.getData(), 0, p.getLength()));
        d.setSoTimeout(30); try { d.receive(p); } catch (SocketTimeoutException e) { System.out.println(e.getMessage()); }
        var un = UnixDomainSocketAddress.of("/tmp/java.sock"); var us = ServerSocketChannel.open(StandardProtocolFamily.UNIX).bind(un); var uc = SocketChannel.open(un); us.accept().write(ByteBuffer.wrap("unix".getBytes())); var ub = ByteBuffer.allocate(8); uc.read(ub); System.out.println(new String(ub.array(), 0, 4));
    }
    static void http() throws Exception {
        HttpServer s = HttpServer.create(new InetSocketAddress("127.0.0.1", 0), 0);
        s.createContext("/", x -> { byte[] b = (x.getRequestMethod() + " " + x.getRequestURI() + " " + new String(x.getRequestBody().readAllBytes())).getBytes(); x.getResponseHeaders().add("X-Box", "yes"); x.sendResponseHeaders(x.getRequestURI().getPath().equals("/no") ? 404 : 200, b.length); try (var o = x.getResponseBody()) { o.write(b); } });
        s.setExecutor(Executors.newFixedThreadPool(3)); s.start();
        String base = "http://127.0.0.1:" + s.getAddress().getPort();
        HttpClient c = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
        var r = c.send(HttpRequest.newBuilder(URI.create(base + "/a?b=c")).POST(HttpRequest.BodyPublishers.ofString("body")).build(), HttpResponse.BodyHandlers.ofString());
        System.out.println(r.statusCode() + " " + r.body() + " " + r.headers().firstValue("x-box").get());
        var many = IntStream.range(0, 50).mapToObj(i -> c.sendAsync(HttpRequest.newBuilder(URI.create(base + "/" + (i % 10 == 0 ? "no" : i))).build(), HttpResponse.BodyHandlers.ofString())).toList();
        System.out.println(new TreeMap<Integer, Long>(many.stream().map(f -> f.join().statusCode()).collect(Collectors.groupingBy(x -> x, Collectors.counting()))));
        System.out.println(new String(new URL(base + "/url").openStream().readAllBytes()));
        s.stop(0);
    }
    static void processes() throws Exception {
        Process p = new ProcessBuilder("sh", "-c", "read a; echo out $a $X; echo err >&2; exit 7").redirectErrorStream(true).directory(new File("/tmp")).start();
        p.getOutputStream().close(); System.out.print(new String(p.getInputStream().readAllBytes())); System.out.println(p.waitFor());
        ProcessBuilder b = new ProcessBuilder("sort", "-r"); b.environment().put("LC_ALL", "C"); Process q = b.start();
        try (var o = q.outputWriter()) { o.write("a\nc\nb\n"); } System.out.println(q.inputReader().lines().toList() + " " + q.waitFor());
        Process k = new ProcessBuilder("sleep", "1000").start(); k.destroy(); System.out.println(k.waitFor() + " " + k.isAlive());
        try { new ProcessBuilder("/nonexistent").start(); } catch (IOException e) { System.out.println(e.getMessage()); }
        var pipe = ProcessBuilder.startPipeline(List.of(new ProcessBuilder("printf", "x\\ny\\nx\\n"), new ProcessBuilder("sort"), new ProcessBuilder("uniq", "-c"))); System.out.println(pipe.get(2).inputReader().lines().map(String::trim).toList());
        System.out.println(ProcessHandle.current().info().command().get());
    }
    public static void main(String[] a) throws Exception { files(); zip(); sockets(); http(); processes(); System.exit(0); }
}
EOF
cat >Wait.java <<'EOF'
public class Wait {
    static final Object lock = new Object();
    public static void main(String[] a) throws Exception {
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("shutdown hook")));
        Thread t = new Thread(() -> { synchronized (lock) { System.out.println("worker"); } }, "blocked-worker");
        synchronized (lock) { t.start(); System.out.println("ready"); System.out.flush(); Thread.sleep(100000); }
    }
}
EOF
javac -d out Io.java Wait.java
step io; java -cp out Io; echo $?
step attach; java -cp out Wait >wait.out 2>wait.err & pid=$!
for i in {1..300}; do grep -q ready wait.out 2>/dev/null && break; sleep 0.1; done
jps | grep -c Wait
jstack $pid >stack; grep -o '"blocked-worker"' stack; grep -A4 '^"blocked-worker"' stack | grep -o 'java.lang.Thread.State.*\XX grep -c '^"' stack | awk '{print ($1 > 8)}'
jcmd $pid VM.version | grep -o 'JDK 17'; jcmd $pid GC.class_histogram | grep -c java.lang.String; jcmd $pid Thread.print | grep -c blocked-worker; jinfo -flag UseSerialGC $pid | grep -o UseSerialGC
kill -QUIT $pid; for i in {1..300}; do grep -q "JNI global refs" wait.out && break; sleep 0.1; done; grep -c 'Full thread dump' wait.out
kill $pid; wait $pid; echo $?; tail -1 wait.out; wc -c <wait.err
