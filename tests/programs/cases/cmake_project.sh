# cmake: configure, build with make, test with ctest, install, pack, script mode; C and C++, a shared and a static library.
# image: userland
# package: cmake make g++
exec 2>&1
export LC_ALL=C
mkdir /tmp/p; cd /tmp/p || exit
cat >calc.c <<'C'
int calc(int a, int b) { return a * 10 + b; }
C
printf 'int calc(int a, int b);\n' >calc.h
printf '#define VERSION "@PROJECT_VERSION@"\n#cmakedefine HAVE_PIPE2\n#cmakedefine HAVE_NOTHING\n#define LONG_SIZE @LONG_SIZE@\n' >conf.h.in
printf 'int half(int x) { return x / 2; }\n' >half.cpp
echo "int generated() { return 99; }" >gen.in
cat >main.cpp <<'C'
#include "conf.h"
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>
extern "C" {
#include "calc.h"
}
int half(int);
int generated();
int main(int argc, char **argv) {
    int r = 0;
    std::thread([&] { r = calc(argc, argc > 1 ? std::atoi(argv[1]) : 0); }).join();
    try { if (r == 27) throw std::runtime_error("27"); } catch (const std::exception &e) { std::puts(e.what()); return 3; }
    std::printf("%s %d %d %d %d\n", VERSION, r, half(r), generated(), LONG_SIZE);
}
C
cat >CMakeLists.txt <<'C'
cmake_minimum_required(VERSION 3.13)
project(calc VERSION 1.2.3 LANGUAGES C CXX)
include(CheckSymbolExists)
include(CheckTypeSize)
set(CMAKE_REQUIRED_DEFINITIONS -D_GNU_SOURCE)
check_symbol_exists(pipe2 "unistd.h" HAVE_PIPE2)
check_symbol_exists(nothing "unistd.h" HAVE_NOTHING)
check_type_size(long LONG_SIZE)
find_package(Threads REQUIRED)
find_package(ZLIB)
configure_file(conf.h.in conf.h)
add_library(calc SHARED calc.c)
set_target_properties(calc PROPERTIES VERSION 1.2.3 SOVERSION 1)
add_library(half STATIC half.cpp)
add_custom_command(OUTPUT gen.cpp COMMAND ${CMAKE_COMMAND} -E copy ${CMAKE_SOURCE_DIR}/gen.in gen.cpp DEPENDS gen.in)
add_executable(prog main.cpp gen.cpp)
target_include_directories(prog PRIVATE ${CMAKE_BINARY_DIR})
target_compile_features(prog PRIVATE cxx_std_17)
target_compile_options(prog PRIVATE $<$<CONFIG:Release>:-Wall>)
target_link_libraries(prog calc half Threads::Threads)
enable_testing()
add_test(NAME runs COMMAND prog 1)
set_tests_properties(runs PROPERTIES PASS_REGULAR_EXPRESSION "^1.2.3 21 10 99 8")
add_test(NAME fails COMMAND prog 7)
set_tests_properties(fails PROPERTIES WILL_FAIL ON)
add_test(NAME slow COMMAND sleep 5)
set_tests_properties(slow PROPERTIES TIMEOUT 0.3)
install(TARGETS prog calc)
include(CPack)
C
cmake -S . -B build -DCMAKE_BUILD_TYPE=Release -DCMAKE_INSTALL_PREFIX=/tmp/inst | sed 's/([0-9.]*s)//'; cmake --build build; cat build/conf.h; build/prog; build/prog 7; echo $?; cmake --build build; touch half.cpp; cmake --build build | grep -c Building; (cd build && ctest -j2 | sed -E 's/[0-9.]+ sec.*//; /Test *#|Start/d' | sort)
cmake --install build | sort; ls -l /tmp/inst/lib | awk '{print $9, $10, $11}'; LD_LIBRARY_PATH=/tmp/inst/lib /tmp/inst/bin/prog 4; (cd build && cpack -G TGZ >/dev/null && tar tf calc-1.2.3-Linux.tar.gz | sort); cmake -LA -N build | grep -E 'BUILD_TYPE|INSTALL_PREFIX'; cmake --build build --target clean; ls build/prog
printf 'message(STATUS "hi ${CMAKE_VERSION}")\nexecute_process(COMMAND uname -s OUTPUT_VARIABLE u)\nmessage("${u}")\nfile(GLOB all RELATIVE /tmp/p *.c*)\nfile(SHA256 calc.c sum)\nstring(REGEX REPLACE "a(.)c" "<\\\\1>" r abc)\nforeach(i RANGE 3)\n math(EXPR x "${i} * 7")\n list(APPEND l ${x})\nendforeach()\nmessage("${all} ${sum} ${r} ${l}")\nmessage(FATAL_ERROR stop)\n' >s.cmake; cmake -P s.cmake; echo $?
cmake -E md5sum calc.c; cmake -E tar czf /tmp/x.tgz calc.c calc.h; cmake -E tar tf /tmp/x.tgz; cmake -E compare_files calc.c calc.h; echo $?; cmake -E env A=1 printenv A; cmake -S /nodir; echo $?; printf 'project(x C)\nbad(' >/tmp/bad.cmake; cmake -P /tmp/bad.cmake; echo $?
