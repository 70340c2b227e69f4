# OpenJDK's tools: java on a source file, the compiler's messages, javap, jar, jdeps, jshell.
# image: languages
# package: openjdk-17-jdk-headless
# options: --memory 3G
export HOME=/tmp; mkdir -p /tmp/out; cd /tmp
step() { echo "== $*"; }
step source; cat >/tmp/Hello.java <<'EOF'
public class Hello { public static void main(String[] a) { System.out.println("Hello, " + String.join(" ", a) + " é 漢"); int[] x = null; System.out.println(x[0]); } }
EOF
java /tmp/Hello.java a b; echo $?
step errors; echo 'class Bad { int f() { return "x"; } }' >/tmp/Bad.java; javac -d /tmp /tmp/Bad.java; echo $?
step javap; printf 'package p;\npublic record Item(String name, int price) { int twice() { return 2 * price; } }\n' >/tmp/Item.java; javac -d /tmp/out /tmp/Item.java; javap -cp /tmp/out -p p.Item; javap -cp /tmp/out -c p.Item | grep -A6 'int twice'; jar cf /tmp/p.jar -C /tmp/out p; jar tf /tmp/p.jar | grep class; jdeps -s /tmp/p.jar
step jshell; mkdir -p /tmp/.java/.userPrefs; jshell -J-Djava.util.prefs.userRoot=/tmp - <<'EOF'
int f(int n) { return n < 2 ? n : f(n-1) + f(n-2); }
System.out.println(f(20))
var l = java.util.List.of(3, 1, 2)
System.out.println(l.stream().sorted().toList())
1/0
/exit 5
EOF
echo $?
