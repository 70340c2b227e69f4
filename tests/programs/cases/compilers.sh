# gcc, g++ and make: a small project with static and shared libraries, exceptions, threads, templates, LTO, coverage; gdb without running it.
# image: userland
# package: gcc g++ make gdb binutils
exec 2>&1
export LC_ALL=C
mkdir /tmp/p; cd /tmp/p || exit
cat >calc.h <<'C'
#ifdef __cplusplus
extern "C"
#endif
int calc(const char *s);
C
cat >calc.c <<'C'
#include "calc.h"
#include <ctype.h>
#include <stdlib.h>
static const char *p;
static int sum(void);
static int atom(void) { if (*p == '(') { p++; int v = sum(); p++; return v; } return (int)strtol(p, (char **)&p, 10); }
static int product(void) { int v = atom(); while (*p == '*') p++, v *= atom(); return v; }
static int sum(void) { int v = product(); for (;;) if (*p == '+') p++, v += product(); else if (*p == '-') p++, v -= product(); else return v; }
int calc(const char *s) { p = s; return sum(); }
C
cat >main.cpp <<'C'
#include "calc.h"
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <fstream>
#include <future>
#include <iomanip>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <numeric>
#include <regex>
#include <set>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <unordered_map>
#include <vector>
struct Shape { virtual ~Shape() = default; virtual double area() const = 0; };
struct Square : Shape { double a; explicit Square(double x) : a(x) {} double area() const override { return a * a; } };
struct Guard { const char *n; ~Guard() { std::cout << "leave " << n << '\n'; } };
static int deep(int n) { Guard g{n % 2 ? "odd" : "even"}; if (!n) throw std::out_of_range("bottom"); return deep(n - 1); }
template <typename T, typename... R> T total(T a, R... r) { if constexpr (sizeof...(r)) return a + total(r...); else return a; }
int main(int argc, char **argv) {
    std::cout << calc(argc > 1 ? argv[1] : "1+2*(3+4)") << ' ' << total(1, 2.5, 3) << '\n';
    try { deep(3); } catch (const std::exception &e) { std::cout << "caught " << e.what() << '\n'; }
    try { std::vector<int>(2).at(5); } catch (const std::out_of_range &e) { std::cout << e.what() << '\n'; }
    try { std::rethrow_exception(std::async(std::launch::async, [] { return std::make_exception_ptr(42); }).get()); } catch (int i) { std::cout << i << '\n'; }
    std::vector<std::unique_ptr<Shape>> v; v.push_back(std::make_unique<Square>(1.5)); std::cout << std::setprecision(10) << v[0]->area() << ' ' << (dynamic_cast<Square *>(v[0].get()) != nullptr) << '\n';
    std::vector<std::thread> ts; std::atomic<long> n{0}; std::mutex m; std::map<int, long> per;
    for (int t = 0; t < 8; t++) ts.emplace_back([&, t] { for (int i = 0; i < 10000; i++) n += i; std::lock_guard<std::mutex> l(m); per[t] = n > 0; });
    for (auto &t : ts) t.join();
    std::cout << n << ' ' << per.size() << '\n';
    std::condition_variable cv; bool ready = false; std::thread w([&] { std::unique_lock<std::mutex> l(m); cv.wait(l, [&] { return ready; }); std::cout << "woken\n"; });
    { std::lock_guard<std::mutex> l(m); ready = true; } cv.notify_all(); w.join();
    std::istringstream in("the quick brown fox the fox"); std::map<std::string, int> words; for (std::string s; in >> s;) words[s]++;
    for (auto &[k, c] : words) std::cout << k << '=' << c << ' ';
    std::cout << std::regex_replace("2024-01-02", std::regex("(\\d+)-(\\d+)-(\\d+)"), "$3.$2.$1") << '\n';
    std::vector<int> r(100); std::iota(r.begin(), r.end(), 0); std::cout << std::accumulate(r.begin(), r.end(), 0) << std::hex << ' ' << std::hash<std::string>{}("x") << std::dec << '\n';
    auto f = std::async([] { std::this_thread::sleep_for(std::chrono::milliseconds(20)); return 7; }); std::cout << f.get() << '\n';
    thread_local int tl = 3; std::thread([] { std::cout << ++tl << '\n'; }).join(); std::cout << tl << std::endl;
    std::ofstream("/tmp/p/out.txt") << std::fixed << 3.14159 << "\nline\n"; std::ifstream back("/tmp/p/out.txt"); std::string line; while (std::getline(back, line)) std::cout << line << '\n';
}
C
cat >Makefile <<'C'
CXXFLAGS = -std=c++17 -O2 -Wall -pthread
all: static shared
static: main.o libcalc.a ; g++ -pthread -o $@ main.o libcalc.a
shared: main.o libcalc.so ; g++ -pthread -o $@ main.o -L. -lcalc -Wl,-rpath,'$$ORIGIN'
libcalc.a: calc.o ; ar rcs $@ $^
libcalc.so: calc.c calc.h ; gcc -shared -fPIC -O2 -o $@ calc.c
main.o: main.cpp calc.h
fail: ; false
.PHONY: all fail
C
make -j2 | sort; make; touch calc.h; make -n | sort; ./static; ./shared '2*(10-3)'; ldd shared | sed 's/(0x.*//' | grep -v vdso | sort; nm -C libcalc.a | grep ' T '; make fail; echo $?; make nothing; readelf -d shared | grep -cE 'NEEDED|RUNPATH'; readelf -h static | grep -E 'Type|Machine'; objdump -d libcalc.so | grep -c '<calc>'; strip -o stripped static; ./stripped 5 | head -1; size calc.o | tail -1 | awk '{print ($1 > 0)}'
cat >t.c <<'C'
#include <math.h>
#include <stdio.h>
#include <string.h>
int f(int x) { return x * 2; }
int main(int argc, char **argv) { int a[4] = {0}; for (int i = 0; i < 4; i++) a[i] = f(i + argc); printf("%d %.15g %s %d\n", a[3], sqrt(argc + 1), strrchr(argv[0], '/') + 1, (int)__STDC_VERSION__ > 0); return a[0]; }
C
for o in -O0 -O1 -O2 -O3 -Os -Og '-O2 -flto' '-O2 -static' '-g3 -fstack-protector-all' '-O2 -march=haswell' '-pg -no-pie' '-O2 -fPIE -pie -Wl,-z,now' '--coverage'; do gcc $o -o t t.c -lm && ./t; echo "$o $?"; done
gcov t.c 2>&1 | head -2 || :; ls *.gcda gmon.out 2>/dev/null; gcc -E -dM -x c /dev/null | grep -cE '__x86_64__|__GNUC__ '; gcc -S -O1 -o - t.c | grep -c '^f:'; gcc -Wall -Werror -c -x c - <<<'int f(int a) { int b; return a; }'; echo $?; gcc -c -x c - <<<'int f( {'; echo $?; gcc nofile.c; echo $?; gcc -x c - <<<'int g(void); int main(void) { return g(); }' 2>&1 | sed 's#/tmp/cc[^ :]*#CC#g'; gcc -print-file-name=libc.so.6; gcc -dumpmachine
gcc -fsanitize=address -g -o asan -x c - <<<'int main(int c, char **v) { char b[4]; b[c + 3] = 1; return b[0]; }' 2>&1 | head -2; gcc -fsanitize=undefined -o ub -x c - <<<'#include <limits.h>
int main(int c, char **v) { int x = INT_MAX; x += c; return x != INT_MIN; }' && ./ub; echo $?
printf '.globl _start\n_start: mov $60,%%eax\nmov $9,%%edi\nsyscall\n' | as -o s.o - && ld -o s s.o && ./s; echo $?; echo 'int answer(void) { return 42; }' | gcc -shared -fPIC -o libans.so -x c -; python3 -c 'import ctypes; print(ctypes.CDLL("./libans.so").answer())'
gcc -g -O1 -o dbg t.c -lm; gdb -nx -batch -ex 'info line f' -ex 'list f' -ex 'disassemble f' -ex 'ptype main' -ex 'print sizeof(int)' -ex 'info functions f$' -ex 'x/2i f' ./dbg; gdb -nx -batch -ex 'python print(gdb.lookup_global_symbol("f").type)' ./dbg; addr2line -fe dbg "$(nm dbg | awk '$3 == "f" {print $1}')"; c++filt _ZN5Guard3runEv; strings -n 8 dbg | grep -c GLIBC; objcopy --only-keep-debug dbg dbg.debug; readelf -SW dbg.debug 2>/dev/null | grep -c debug_info
