# Guile: the compiler and its cache, numbers, continuations, threads and atomic boxes, fibers of its own making, ports and sockets, fork, FFI, modules.
# image: userland
# package: guile-3.0
cd /tmp && mkdir g && cd g || exit
export XDG_CACHE_HOME=/tmp/g/cache
# system.scm's standard error: a warning when a thread that ended is still there at a fork.
cat >language.scm <<'END'
(use-modules (ice-9 match) (ice-9 format) (ice-9 regex) (srfi srfi-1) (srfi srfi-9) (srfi srfi-26) (ice-9 receive) (ice-9 control) (rnrs bytevectors) (ice-9 hash-table) (srfi srfi-41) (oop goops) (ice-9 pretty-print) (sxml simple) (ice-9 peg) (ice-9 vlist) (srfi srfi-64))
(define (show . xs) (for-each (lambda (x) (write x) (display " ")) xs) (newline))
(show (expt 2 200) (/ 1 3) (exact->inexact 1/3) (sqrt -4) (string->number "1e-320") (inexact->exact (floor 2.5)) (number->string 255 16) (round 7/2) (make-rectangular 1 2) (* 1.0 (expt 10 308) 10) (gcd 12 18) (logand 12 10) (ash 1 70) (string-length "añ😀") (string-upcase "ß"))
(show (map + '(1 2) '(3 4)) (fold cons '() '(1 2 3)) (delete-duplicates '(1 2 1)) (sort '(3 1 2) <) (list-tail '(1 2 3) 1) `(1 ,@(iota 3) ,(+ 1 1)) (assq 'b '((a . 1) (b . 2))) (match '(1 (2 3)) ((a (b c)) (list c b a))))
(define-record-type point (make-point x y) point? (x px set-px!) (y py)) (let ((p (make-point 1 2))) (set-px! p 5) (show (px p) (point? p) (point? 1)))
(define-syntax swap! (syntax-rules () ((_ a b) (let ((tmp a)) (set! a b) (set! b tmp))))) (let ((tmp 1) (y 2)) (swap! tmp y) (show tmp y))
(define k #f) (define n 0) (show (+ 1 (call/cc (lambda (c) (set! k c) 1)))) (set! n (+ n 1)) (if (< n 3) (k n))
(show (call-with-prompt 'p (lambda () (+ 1 (abort-to-prompt 'p 5))) (lambda (k v) (k (* v 2)))) (let/ec out (for-each (lambda (x) (if (> x 2) (out x))) '(1 2 3 4)) 'none))
(show (dynamic-wind (lambda () (display "in ")) (lambda () 'body) (lambda () (display "out "))) (catch 'my (lambda () (throw 'my 1 2)) (lambda args args)) (with-exception-handler (lambda (e) 'handled) (lambda () (vector-ref (vector 1) 5)) #:unwind? #t))
(define p (make-parameter 1)) (show (p) (parameterize ((p 2)) (p)) (call-with-values (lambda () (values 1 2)) list) (receive (a . r) (values 1 2 3) r) (force (delay (+ 1 2))))
(show (match:substring (string-match "([0-9]+)-([0-9]+)" "ab 12-34") 2) (regexp-substitute/global #f "a" "banana" 'pre "o" 'post) (string-split "a,b,c" #\,) (string-index "hello" #\l) (format #f "~5d|~a|~s|~,2f|~r" 42 "x" "y" 3.14159 21))
(show (bytevector-u32-ref #vu8(1 2 3 4) 0 'big) (utf8->string (string->utf8 "é")) (let ((b (make-bytevector 8))) (bytevector-ieee-double-native-set! b 0 1.5) b) (hash-ref (alist->hash-table '((a . 1))) 'a) (stream->list (stream-take 3 (stream-map (cut * 2 <>) (stream-from 1)))))
(define-class <a> () (v #:init-keyword #:v #:accessor v)) (define-method (twice (x <a>)) (* 2 (v x))) (define-method (+ (x <a>) (y <a>)) (make <a> #:v (+ (v x) (v y)))) (show (twice (+ (make <a> #:v 1) (make <a> #:v 4))))
(define (fib n) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2))))) (show (fib 24))
(define (loop i a) (if (= i 3000000) a (loop (+ i 1) (logand (+ (* a 31) i) #xffffffff)))) (show (loop 0 0))
(define (deep n) (if (= n 0) 0 (+ 1 (deep (- n 1))))) (show (deep 300000))
(define v (make-vector 200000 0)) (let lp ((i 0)) (when (< i 200000) (vector-set! v i (list i (* 1.5 i))) (lp (+ i 1)))) (gc) (show (apply + (map car (vector->list v))) (let f ((i 0) (s 0.)) (if (= i 1000) s (f (+ i 1) (+ s (sin i))))))
(sxml->xml '(a (@ (b "c")) "t<")) (newline) (show (xml->sxml "<a><b c='d'/>x</a>") (eval '(let ((x 2)) (* x 21)) (interaction-environment)) (procedure-name fib) (macroexpand '(if 1 2 3)))
(show (let ((port (open-input-string "(a . b) #t \"s\\n\" 1.5"))) (let lp ((x (read port)) (r '())) (if (eof-object? x) (reverse r) (lp (read port) (cons x r))))) (with-output-to-string (lambda () (write 'x))))
END
guile language.scm 2>err; echo "status $?"; sed -E 's/;;; (note|compil).*/;;; &/' err | cut -c1-60; guile language.scm 2>&1 | md5sum; find cache -name '*.go' | sed 's,.*/,,'
cat >system.scm <<'END'
(use-modules (ice-9 threads) (ice-9 popen) (ice-9 rdelim) (ice-9 textual-ports) (ice-9 binary-ports) (ice-9 atomic) (ice-9 futures) (system foreign) (ice-9 ftw) (srfi srfi-1) (web server) (web client) (web response) (web request) (web uri) (rnrs bytevectors) (ice-9 receive))
(define (show . xs) (for-each (lambda (x) (write x) (display " ")) xs) (newline) (force-output))
(define m (make-mutex)) (define total 0) (define box (make-atomic-box 0))
(define (bump) (let lp ((i 0)) (when (< i 2000) (with-mutex m (set! total (+ total 1))) (let again ((o (atomic-box-ref box))) (if (not (eq? o (atomic-box-compare-and-swap! box o (+ o 1)))) (again (atomic-box-ref box)))) (lp (+ i 1)))))
(for-each join-thread (map (lambda (_) (call-with-new-thread bump)) (iota 8))) (show total (atomic-box-ref box) (par-map (lambda (x) (* x x)) (iota 6)) (parallel 1 2 (+ 1 2)) (touch (future (+ 40 2))) (n-par-map 3 1+ '(1 2 3)))
(define c (make-condition-variable)) (define ready #f) (define t (call-with-new-thread (lambda () (with-mutex m (let lp () (if ready 'woken (begin (wait-condition-variable c m) (lp)))))))) (usleep 20000) (with-mutex m (set! ready #t) (broadcast-condition-variable c)) (show (join-thread t))
(define forever (call-with-new-thread (lambda () (let lp () (lp))))) (usleep 20000) (cancel-thread forever) (show (call-with-values (lambda () (join-thread forever)) list))
(define pids (map (lambda (n) (let ((pid (primitive-fork))) (if (= pid 0) (primitive-_exit n) pid))) '(1 2 3))) (show (map (lambda (p) (status:exit-val (cdr (waitpid p)))) pids))
(let* ((p (open-input-pipe "echo from a pipe; exit 3")) (s (get-string-all p))) (show s (status:exit-val (close-pipe p)))) (show (status:exit-val (system "exit 4")) (status:exit-val (system* "false")))
(let ((p (pipe))) (display "x\ny\n" (cdr p)) (close-port (cdr p)) (show (read-line (car p)) (read-line (car p)) (eof-object? (read-line (car p)))))
(define got '()) (sigaction SIGUSR1 (lambda (s) (set! got (cons s got)))) (kill (getpid) SIGUSR1) (usleep 1000) (show got (car (select '() (list (current-output-port)) '() 0)))
(define s (socket PF_INET SOCK_STREAM 0)) (bind s AF_INET INADDR_LOOPBACK 0) (listen s 5) (define port (sockaddr:port (getsockname s)))
(call-with-new-thread (lambda () (let lp () (let* ((c (car (accept s))) (l (read-line c))) (display (string-append (string-upcase l) "\n") c) (close-port c) (lp)))))
(show (map (lambda (n) (let ((c (socket PF_INET SOCK_STREAM 0))) (connect c AF_INET INADDR_LOOPBACK port) (display (format #f "client ~a\n" n) c) (force-output c) (let ((l (read-line c))) (close-port c) l))) (iota 3)))
(define http (call-with-new-thread (lambda () (run-server (lambda (r b) (values '((content-type . (text/plain))) (string-append "path " (uri-path (request-uri r))))) 'http '(#:port 8030)))))
(let try ((n 0)) (catch #t (lambda () (receive (r b) (http-get "http://127.0.0.1:8030/a/b") (show (response-code r) b))) (lambda e (if (< n 100) (begin (usleep 50000) (try (+ n 1))) (show e)))))
(show ((pointer->procedure int (dynamic-func "abs" (dynamic-link)) (list int)) -5) (pointer->string (string->pointer "ffi")) (let ((q (pointer->procedure void (dynamic-func "qsort" (dynamic-link)) (list '* size_t size_t '*))) (v (bytevector-copy #vu8(3 1 2)))) (q (bytevector->pointer v) 3 1 (procedure->pointer int (lambda (a b) (- (bytevector-u8-ref (pointer->bytevector a 1) 0) (bytevector-u8-ref (pointer->bytevector b 1) 0))) '(* *))) v))
(mkdir "d") (call-with-output-file "d/f" (lambda (p) (write '(1 "two") p))) (show (call-with-input-file "d/f" read) (stat:size (stat "d/f")) (scandir "d") (file-exists? "nope") (catch 'system-error (lambda () (open-file "nope" "r")) (lambda e (system-error-errno e)))) (symlink "f" "d/l") (show (readlink "d/l") (call-with-input-file "d/l" get-string-all)) (delete-file "d/l")
(show (strftime "%F %T" (gmtime 1000000000)) (passwd:name (getpwuid 0)) (getenv "HOME") (command-line) (utsname:sysname (uname)) (version)) (setvbuf (current-output-port) 'none) (exit 6)
END
guile --no-auto-compile system.scm a b 2>/dev/null; echo "status $?"
mkdir -p lib/my && echo '(define-module (my mod) #:export (f)) (define (f x) (* x 2))' >lib/my/mod.scm; guile -L lib -c '(use-modules (my mod) (system base compile)) (display (f 21)) (newline) (compile-file "lib/my/mod.scm" #:output-file "mod.go") (load-compiled "mod.go") (display ((@ (my mod) f) 4)) (newline)' 2>/dev/null
echo '(display "script ") (display (cadr (command-line))) (newline)' >s; sed -i '1i #!/usr/bin/guile \\\n-s\n!#' s; chmod +x s; ./s argument 2>/dev/null; guile -q -c '(error "wrong" 1)' 2>&1 | tail -1; guile -q <<<'(+ 1 2) (define x 5) (* x 2) (car 1)' 2>&1 | grep -E '^\$|Wrong'
guile -q --debug -c '(let lp ((i 0)) (if (< i 100000) (lp (+ i 1)) (begin (display i) (newline))))'; GUILE_JIT_THRESHOLD=-1 guile -q -c '(display (let lp ((i 0)) (if (< i 100000) (lp (+ i 1)) i))) (newline)'; GUILE_JIT_THRESHOLD=0 guile -q -c '(display (let lp ((i 0)) (if (< i 100000) (lp (+ i 1)) i))) (newline)'
