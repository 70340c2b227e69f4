# Go: a module of packages, go build, test, vet, bench and run; goroutines, channels, timers, collection, panics, signals, a server on the loopback, cgo.
# image: languages
# package: golang-go
# options: --memory 3G
export HOME=/tmp GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local GOTELEMETRY=off; mkdir -p /tmp/m/count /tmp/m/cg; cd /tmp/m
step() { echo "== $*"; }
step module; go mod init example.com/m 2>&1; cat go.mod
cat >count/count.go <<'EOF'
// Package count counts words.
package count

import (
	"sort"
	"strings"
)

type Pair[K comparable] struct {
	Key K
	N   int
}

func Words(s string) []Pair[string] {
	m := map[string]int{}
	for _, w := range strings.Fields(s) {
		m[w]++
	}
	var out []Pair[string]
	for k, n := range m {
		out = append(out, Pair[string]{k, n})
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Key < out[j].Key })
	return out
}
EOF
cat >count/count_test.go <<'EOF'
package count

import "testing"

func TestWords(t *testing.T) {
	for _, c := range []struct {
		in string
		n  int
	}{{"a b a", 2}, {"", 0}, {"x", 1}} {
		t.Run(c.in, func(t *testing.T) {
			t.Parallel()
			if got := len(Words(c.in)); got != c.n {
				t.Errorf("got %d, want %d", got, c.n)
			}
		})
	}
}
func TestFails(t *testing.T) { t.Error("as it should") }
func BenchmarkWords(b *testing.B) {
	for i := 0; i < b.N; i++ {
		Words("the quick brown fox the")
	}
}
func FuzzWords(f *testing.F) {
	f.Add("a b")
	f.Fuzz(func(t *testing.T, s string) { Words(s) })
}
EOF
cat >main.go <<'EOF'
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"example.com/m/count"
)

type node struct {
	left, right *node
	data        [64]byte
}

func tree(d int) *node {
	if d == 0 {
		return &node{}
	}
	return &node{left: tree(d - 1), right: tree(d - 1)}
}
func (n *node) count() int {
	if n == nil {
		return 0
	}
	return 1 + n.left.count() + n.right.count()
}

func channels() {
	jobs, results := make(chan int), make(chan int, 10)
	var wg sync.WaitGroup
	for w := 0; w < 100; w++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for j := range jobs {
				results <- j * j
			}
		}()
	}
	go func() {
		for i := 1; i <= 5000; i++ {
			jobs <- i
		}
		close(jobs)
		wg.Wait()
		close(results)
	}()
	sum := 0
	for r := range results {
		sum += r
	}
	fmt.Println("channels", sum)
	var n int64
	var mu sync.Mutex
	m := map[int]int{}
	for i := 0; i < 50; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			for k := 0; k < 1000; k++ {
				atomic.AddInt64(&n, 1)
				mu.Lock()
				m[k]++
				mu.Unlock()
			}
		}(i)
	}
	wg.Wait()
	fmt.Println("mutex", n, m[999])
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	select {
	case <-ctx.Done():
		fmt.Println(ctx.Err())
	case <-time.After(time.Minute):
	}
}

// A loop without calls: only SIGURG can take the thread from it.
func preempt() {
	runtime.GOMAXPROCS(1)
	stop := int64(0)
	done := make(chan bool)
	go func() {
		x := uint64(1)
		for {
			for i := 0; i < 1000; i++ {
				x = x*6364136223846793005 + 1
			}
			if stop != 0 && x == 0 {
				done <- true
			}
		}
	}()
	time.Sleep(30 * time.Millisecond)
	fmt.Println("preempted")
	runtime.GOMAXPROCS(2)
}

func panics() {
	try := func(name string, f func()) {
		defer func() {
			r := recover()
			var re runtime.Error
			if e, ok := r.(error); ok && errors.As(e, &re) {
				fmt.Println(name, "runtime error:", re)
			} else {
				fmt.Println(name, r)
			}
		}()
		f()
	}
	var p *node
	var s []int
	var m map[string]int
	zero := 0
	try("nil", func() { fmt.Println(p.left) })
	try("index", func() { s[zero] = 1 })
	try("map", func() { m["a"] = 1 })
	try("divide", func() { fmt.Println(1 / zero) })
	try("type", func() { var i any = "x"; _ = i.(int) })
	try("own", func() { panic(fmt.Sprint("own ", 1)) })
	try("closed", func() { c := make(chan int); close(c); close(c) })
	try("wild", func() { debug.SetPanicOnFault(true); var b *[1 << 30]byte; fmt.Println(b[1<<29]) })
}

func signals() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1, syscall.SIGTERM)
	for _, s := range []syscall.Signal{syscall.SIGUSR1, syscall.SIGTERM} {
		syscall.Kill(syscall.Getpid(), s)
		fmt.Println(<-c)
	}
	out, err := exec.Command("sh", "-c", "echo from sh; exit 3").CombinedOutput()
	fmt.Printf("%q %v\n", out, err)
	cmd := exec.Command("cat")
	cmd.Stdin = strings.NewReader(strings.Repeat("line\n", 50000))
	out, err = cmd.Output()
	fmt.Println(len(out), err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Millisecond)
	defer cancel()
	fmt.Println(exec.CommandContext(ctx, "sleep", "100").Run())
}

func serve() {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	http.HandleFunc("/json", func(w http.ResponseWriter, r *http.Request) {
		json.NewEncoder(w).Encode(map[string]any{"method": r.Method, "q": r.URL.Query().Get("q"), "list": []int{1, 2}})
	})
	http.HandleFunc("/panic", func(w http.ResponseWriter, r *http.Request) { panic(http.ErrAbortHandler) })
	go http.Serve(l, nil)
	base := "http://" + l.Addr().String()
	for _, path := range []string{"/json?q=a+b", "/none"} {
		r, err := http.Get(base + path)
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		fmt.Printf("%s %s %v\n", r.Status, strings.TrimSpace(string(b)), err)
	}
	_, err = http.Get(base + "/panic")
	fmt.Println(errors.Is(err, io.EOF))
	var wg sync.WaitGroup
	var ok int64
	for i := 0; i < 20; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for k := 0; k < 10; k++ {
				if r, err := http.Post(base+"/json", "text/plain", strings.NewReader("x")); err == nil {
					io.Copy(io.Discard, r.Body)
					r.Body.Close()
					atomic.AddInt64(&ok, 1)
				}
			}
		}()
	}
	wg.Wait()
	fmt.Println("requests", ok)
	_, err = net.Dial("tcp", "127.0.0.1:1")
	fmt.Println(errors.Is(err, syscall.ECONNREFUSED))
	u, _ := net.Listen("unix", "/tmp/go.sock")
	go func() { c, _ := u.Accept(); io.Copy(c, c); c.Close() }()
	c, _ := net.Dial("unix", "/tmp/go.sock")
	c.Write([]byte("unix"))
	c.(*net.UnixConn).CloseWrite()
	b, _ := io.ReadAll(c)
	fmt.Println(string(b))
	c2, _ := net.ListenPacket("udp", "127.0.0.1:0")
	c2.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	_, _, err = c2.ReadFrom(b)
	fmt.Println(err.(net.Error).Timeout())
}

func main() {
	fmt.Println(count.Words("b a b"))
	channels()
	live := tree(14)
	for i := 0; i < 10; i++ {
		tree(14)
	}
	runtime.GC()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	fmt.Println("collected", ms.NumGC > 1, live.count())
	preempt()
	panics()
	signals()
	serve()
	fmt.Println(new(big.Int).Exp(big.NewInt(3), big.NewInt(200), nil))
	defer fmt.Println("deferred")
	go func() { panic("in a goroutine") }()
	select {}
}
EOF
cat >cg/main.go <<'EOF'
package main

/*
#include <stdlib.h>
#include <string.h>
#include <errno.h>
typedef int (*fn)(int);
static int twice(int x) { return 2 * x; }
static int fails(void) { errno = ENOENT; return -1; }
static char *upper(const char *s) { char *r = strdup(s); for (char *p = r; *p; p++) if (*p >= 'a') *p -= 32; return r; }
int goAdd(int, int);
static int calls_go(int n) { int s = 0; for (int i = 0; i < n; i++) s = goAdd(s, i); return s; }
*/
import "C"
import (
	"fmt"
	"sync"
	"unsafe"
)

//export goAdd
func goAdd(a, b C.int) C.int { return a + b }

func main() {
	s := C.CString("shout")
	u := C.upper(s)
	_, err := C.fails()
	fmt.Println(C.twice(21), C.GoString(u), err)
	C.free(unsafe.Pointer(s))
	C.free(unsafe.Pointer(u))
	var wg sync.WaitGroup
	sums := make([]C.int, 8)
	for i := range sums {
		wg.Add(1)
		go func(i int) { defer wg.Done(); sums[i] = C.calls_go(C.int(100 * i)) }(i)
	}
	wg.Wait()
	fmt.Println(sums)
}
EOF
sed -i '/^int goAdd/,/^static int calls_go/d' cg/main.go
cat >cg/call.go <<'EOF'
package main

// int calls_go(int n);
import "C"
EOF
printf '#include "_cgo_export.h"\nint calls_go(int n) { int s = 0; for (int i = 0; i < n; i++) s = goAdd(s, i); return s; }\n' >cg/call.c
sed -i 's/^typedef int (\*fn)(int);/int calls_go(int n);/' cg/main.go
step build; go build -o prog . && file prog | grep -o 'ELF 64-bit.*linked'; ./prog 2>err; echo $?; sed -E 's/0x[0-9a-f]+/0x/g; s/goroutine [0-9]+/goroutine N/; s/^\t.*\///; s/ \+0x$//' err | head -12
step cgo; go build -o cgprog ./cg && ./cgprog; echo $?
step test; go test ./count 2>&1 | sed -E 's/[0-9.]+s\)?$//'; go test -run 'Words' -v ./count | grep -E '^ *---' | sed 's/ (.*//' | sort; go test -run Words -bench Words -benchtime 10x ./count | grep -o '^BenchmarkWords'
step vet; printf 'package main\nimport "fmt"\nfunc main() { fmt.Printf("%%d\\n", "x") }\n' >/tmp/v.go; go vet /tmp/v.go; echo $?; go run /tmp/v.go; gofmt -d /tmp/v.go | grep -c '^[+-]'
step errors; printf 'package main\nfunc main() { x := 1; return 2 }\n' >/tmp/e.go; go run /tmp/e.go; echo $?
step tools; go list -deps . | wc -l; go doc ./count Words; go version | cut -d' ' -f1-3; go env GOOS GOARCH; go tool nm prog | grep -c ' T main\.'; GOARCH=arm64 go tool compile -o /tmp/arm.o -p count count/count.go 2>&1 | head -2
