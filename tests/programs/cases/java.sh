# OpenJDK: javac, java and jar with several classes; threads, pools and parallel streams; three collectors; exceptions, implicit checks and overflowing stacks.
# image: languages
# package: openjdk-17-jdk-headless
# options: --memory 3G
export HOME=/tmp
mkdir -p /tmp/src/shop /tmp/out; cd /tmp/src
step() { echo "== $*"; }
cat >shop/Item.java <<'EOF'
package shop;
public record Item(String name, int price, int count) implements Comparable<Item> {
    public Item { if (price < 0) throw new IllegalArgumentException("price " + price); }
    public long total() { return (long) price * count; }
    @Override public int compareTo(Item o) { return name.compareTo(o.name); }
}
EOF
cat >shop/Main.java <<'EOF'
package shop;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.concurrent.locks.*;
import java.util.stream.*;

public class Main {
    sealed interface Shape permits Circle, Square {}
    record Circle(int r) implements Shape {}
    record Square(int a) implements Shape {}
    static class Node { Node next; int value; int[] data; }
    static class Mine extends Exception { Mine(String m, Throwable c) { super(m, c); } }

    static void threads() throws Exception {
        AtomicLong sum = new AtomicLong();
        long[] plain = new long[1];
        Object lock = new Object();
        Thread[] all = new Thread[8];
        for (int i = 0; i < all.length; i++) {
            int n = i;
            all[i] = new Thread(() -> {
                for (int k = 0; k < 20000; k++) { sum.addAndGet(k ^ n); synchronized (lock) { plain[0] += k; } }
            });
            all[i].start();
        }
        for (Thread t : all) t.join();
        System.out.println("threads " + sum + " " + plain[0]);
        ExecutorService pool = Executors.newFixedThreadPool(4);
        List<Future<Integer>> f = new ArrayList<>();
        for (int i = 1; i <= 20; i++) { int n = i; f.add(pool.submit(() -> IntStream.rangeClosed(1, n * 1000).map(x -> x % 7).sum())); }
        int total = 0;
        for (var x : f) total += x.get();
        Future<?> bad = pool.submit(() -> { throw new IllegalStateException("from the pool"); });
        try { bad.get(); } catch (ExecutionException e) { System.out.println("pool " + total + " " + e.getCause()); }
        pool.shutdown();
        System.out.println("down " + pool.awaitTermination(5, TimeUnit.SECONDS));
        BlockingQueue<Integer> q = new ArrayBlockingQueue<>(4);
        Thread producer = new Thread(() -> { try { for (int i = 0; i < 1000; i++) q.put(i); q.put(-1); } catch (InterruptedException e) {} });
        producer.start();
        long got = 0;
        for (int v; (v = q.take()) >= 0; ) got += v;
        ReentrantLock rl = new ReentrantLock(); Condition c = rl.newCondition();
        rl.lock();
        try { System.out.println("queue " + got + " " + c.await(5, TimeUnit.MILLISECONDS)); } finally { rl.unlock(); }
        Thread sleeper = new Thread(() -> { try { Thread.sleep(100000); } catch (InterruptedException e) { System.out.println("interrupted"); } });
        sleeper.start(); Thread.sleep(20); sleeper.interrupt(); sleeper.join();
        var cf = CompletableFuture.supplyAsync(() -> 20).thenCombine(CompletableFuture.supplyAsync(() -> 22), Integer::sum);
        System.out.println("future " + cf.get());
        Thread daemon = new Thread(() -> { while (true) Thread.onSpinWait(); }); daemon.setDaemon(true); daemon.start();
    }
    static void streams() {
        System.out.println("parallel " + IntStream.rangeClosed(1, 200000).parallel().mapToLong(x -> (long) x * x % 1000003).sum());
        Map<Integer, Long> by = Stream.of("a", "bb", "cc", "ddd").parallel().collect(Collectors.groupingBy(String::length, TreeMap::new, Collectors.counting()));
        System.out.println(by + " " + IntStream.range(0, 50000).parallel().boxed().collect(Collectors.toConcurrentMap(x -> x % 5, x -> 1, Integer::sum)));
        int[] big = new Random(1).ints(200000).toArray(); Arrays.parallelSort(big);
        System.out.println(big[0] + " " + big[100000] + " " + big[199999]);
    }
    static int depth;
    static void down(int n) { depth++; down(n + 1); }
    static int field(Node n) { return n.value; }
    static Object cast(Object o) { return (String) o; }
    static int div(int a, int b) { return a / b; }
    static void faults() {
        for (int round = 0; round < 3; round++) {
            depth = 0;
            try { down(0); } catch (StackOverflowError e) { System.out.println("overflow " + (depth > 1000)); }
        }
        int nulls = 0, divs = 0, casts = 0, bounds = 0;
        for (int i = 0; i < 30000; i++) {  // hot enough to be compiled: implicit checks by SIGSEGV and SIGFPE
            try { field(i % 3 == 0 ? null : new Node()); } catch (NullPointerException e) { nulls++; }
            try { div(i, i % 4); } catch (ArithmeticException e) { divs++; }
            try { cast(i % 5 == 0 ? (Object) i : "s"); } catch (ClassCastException e) { casts++; }
            try { int[] t = new int[3]; t[i % 4] = 1; } catch (ArrayIndexOutOfBoundsException e) { bounds++; }
        }
        System.out.println(nulls + " " + divs + " " + casts + " " + bounds);
        try { String s = null; s.length(); } catch (NullPointerException e) { System.out.println(e.getMessage()); }
        try { try { Object[] o = new String[1]; o[0] = 1; } catch (ArrayStoreException e) { throw new Mine("wrapped", e); } finally { System.out.println("finally"); } }
        catch (Mine e) { System.out.println(e + " <- " + e.getCause()); }
        try { byte[][] hold = new byte[100][]; for (int i = 0; i < 100; i++) hold[i] = new byte[32 << 20]; }
        catch (OutOfMemoryError e) { System.out.println(e.getMessage()); }
        Shape[] shapes = {new Circle(2), new Square(3)};
        for (Shape s : shapes) System.out.println(s instanceof Circle c ? "circle " + c.r() : s);
    }
    static void collect() {
        Node keep = null; long made = 0;
        for (int i = 0; i < 200000; i++) {
            Node n = new Node(); n.value = i; n.data = new int[100]; n.data[i % 100] = i; made += n.data.length;
            if (i % 50 == 0) { n.next = keep; keep = n; }
        }
        long sum = 0; int count = 0;
        for (Node n = keep; n != null; n = n.next) { sum += n.value + n.data[n.value % 100]; count++; }
        System.gc();
        var weak = new java.lang.ref.WeakReference<>(new Object()); System.gc();
        System.out.println("kept " + count + " " + sum + " of " + made + " " + (weak.get() == null));
    }
    static double hot(int n) { double s = 0; long h = 1; for (int i = 1; i < n; i++) { s += Math.sin(i) / i; h = h * 31 + i; h ^= h >>> 7; } return s + (h & 15); }
    public static void main(String[] args) throws Exception {
        List<Item> items = new ArrayList<>(List.of(new Item("pear", 30, 4), new Item("apple", 25, 2)));
        Collections.sort(items);
        for (Item i : items) System.out.printf("%-6s %4d%n", i.name(), i.total());
        try { new Item("bad", -1, 0); } catch (IllegalArgumentException e) { System.out.println(e); }
        for (String a : args.length > 0 ? args : new String[] {"threads", "streams", "faults", "collect", "hot"})
            switch (a) {
                case "threads" -> threads();
                case "streams" -> streams();
                case "faults" -> faults();
                case "collect" -> collect();
                case "hot" -> { for (int i = 0; i < 3; i++) System.out.println(hot(300000)); }
                default -> throw new Exception("what is " + a + "?");
            }
        Runtime.getRuntime().addShutdownHook(new Thread(() -> System.out.println("bye")));
        if (args.length > 0 && args[args.length - 1].equals("hot")) System.exit(3);
    }
}
EOF
step javac; javac -d /tmp/out shop/*.java; echo $?; find /tmp/out -name '*.class' | sort
step jar; cd /tmp/out; jar cfe /tmp/shop.jar shop.Main shop; jar tf /tmp/shop.jar | grep class | sort
step G1; java -XX:+UseG1GC -Xmx256m -jar /tmp/shop.jar; echo $?
step Serial; java -XX:+UseSerialGC -Xmx128m -cp /tmp/shop.jar shop.Main faults collect; echo $?
step Parallel; java -XX:+UseParallelGC -Xmx128m -cp /tmp/out shop.Main hot; echo $?
step interpreted; java -Xint -Xmx128m -cp /tmp/out shop.Main threads; echo $?
step thrown; java -Xmx64m -cp /tmp/out shop.Main nonsense; echo $?
