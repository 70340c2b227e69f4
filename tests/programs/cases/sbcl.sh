# SBCL: the compiler, conditions and restarts, CLOS, bignums, threads, collection of generations, run-program, sockets, exhaustion of stack and heap, saved cores.
# image: languages
# package: sbcl
# options: --memory 3G
export HOME=/tmp; cd /tmp
step() { echo "== $*"; }
cat >lib.lisp <<'EOF'
(defpackage :lib (:use :cl) (:export #:fib #:shape #:area #:square #:circle #:primes))
(in-package :lib)
(declaim (optimize (speed 1) (safety 1)))
(defun fib (n) (declare (fixnum n)) (if (< n 2) n (+ (fib (- n 1)) (fib (- n 2)))))
(defclass shape () ((name :initarg :name :reader name)))
(defclass square (shape) ((a :initarg :a :accessor a)))
(defclass circle (shape) ((r :initarg :r :accessor r)))
(defgeneric area (s))
(defmethod area ((s square)) (expt (a s) 2))
(defmethod area ((s circle)) (* 355/113 (expt (r s) 2)))
(defmethod area :around ((s shape)) (list (name s) (call-next-method)))
(defmacro while (test &body body) `(loop (unless ,test (return)) ,@body))
(defun primes (n)
  (let ((sieve (make-array (1+ n) :element-type 'bit :initial-element 1)))
    (loop for i from 2 to (isqrt n) when (= 1 (sbit sieve i)) do (loop for j from (* i i) to n by i do (setf (sbit sieve j) 0)))
    (loop for i from 2 to n count (= 1 (sbit sieve i)))))
EOF
cat >main.lisp <<'EOF'
(load (compile-file "/tmp/lib.lisp" :output-file "/tmp/lib.fasl"))
(use-package :lib)
(defun say (&rest x) (format t "~{~a~^ ~}~%" x) (finish-output))
(say (fib 25) (primes 200000) (area (make-instance 'square :name 'sq :a 7)) (area (make-instance 'circle :name "c" :r 2)))
(say (expt 7 150) (/ 22 8) (sqrt -4) (coerce 1/3 'double-float) (rationalize 0.1))
(say (format nil "~r ~:r ~@r ~,3f ~8,'0x ~a" 123456 21 1999 pi 48879 "é漢"))
;; Conditions and restarts; faults that come as signals.
(define-condition mine (error) ((n :initarg :n :reader n)) (:report (lambda (c s) (format s "mine ~a" (n c)))))
(say (handler-case (error 'mine :n 3) (mine (c) (princ-to-string c))))
(say (handler-bind ((mine (lambda (c) (use-value (* 2 (n c)))))) (restart-case (error 'mine :n 21) (use-value (v) v))))
(say (handler-case (/ 1 (- 1 1)) (division-by-zero () "division")))
(say (handler-case (/ 1d0 (- 1d0 1d0)) (division-by-zero () "float division")))
(say (handler-case (sqrt (* most-positive-double-float (+ 1d10 (random 2d0)))) (floating-point-overflow () "overflow")))
(say (handler-case (aref (vector 1 2) (+ 5 (random 1))) (error (c) (type-of c))))
(say (handler-case (car (read-from-string "5")) (type-error (c) (type-error-expected-type c))))
(say (handler-case (funcall (read-from-string "no-such")) (undefined-function (c) (cell-error-name c))))
(say (handler-case (sb-sys:with-pinned-objects () (sb-sys:sap-ref-8 (sb-sys:int-sap 8) 0)) (sb-sys:memory-fault-error () "memory fault")))
(defun deep (n) (+ 1 (deep (+ n 1))))
(dotimes (i 3) (say (handler-case (deep 0) (sb-kernel::control-stack-exhausted () "stack exhausted"))))
(say (handler-case (let (l) (loop (push (make-array 10000000 :element-type '(unsigned-byte 8)) l))) (storage-condition () "heap exhausted")))
(gc :full t)
(say (block out (unwind-protect (return-from out "left") (say "cleanup"))))
(say (catch 'tag (mapc (lambda (x) (when (> x 2) (throw 'tag x))) '(1 2 3 4))))
;; Garbage of all ages.
(let ((table (make-hash-table :test 'equal)) (keep nil))
  (dotimes (i 300000) (let ((c (cons i (make-string 20 :initial-element #\x)))) (when (zerop (mod i 1000)) (push c keep)) (setf (gethash (mod i 5000) table) c)))
  (gc :full t)
  (say (length keep) (reduce #'+ keep :key #'car) (hash-table-count table)))
(let ((w (make-weak-pointer (list 1 2 3))) (run nil))
  (sb-ext:finalize (make-array 10) (lambda () (setf run t)))
  (make-array 100) (gc :full t) (say "weak" (not (and (weak-pointer-value w) nil))))
;; Threads.
(let* ((lock (sb-thread:make-mutex)) (n 0) (atomic (list 0))
       (all (loop for i below 8 collect (let ((i i)) (sb-thread:make-thread (lambda () (dotimes (k 5000 i) (sb-thread:with-mutex (lock) (incf n k)) (sb-ext:atomic-incf (car atomic)) (make-array 50))))))))
  (say (mapcar #'sb-thread:join-thread all) n (car atomic)))
(let* ((q (sb-thread:make-waitqueue)) (m (sb-thread:make-mutex)) (ready nil)
       (th (sb-thread:make-thread (lambda () (sb-thread:with-mutex (m) (loop until ready do (sb-thread:condition-wait q m)) :woken)))))
  (sb-thread:with-mutex (m) (setf ready t) (sb-thread:condition-broadcast q))
  (say (sb-thread:join-thread th)))
(let ((th (sb-thread:make-thread (lambda () (catch 'done (loop (sleep 10)))))))
  (sleep 0.02) (sb-thread:interrupt-thread th (lambda () (throw 'done :interrupted)))
  (say (sb-thread:join-thread th)))
(let ((th (sb-thread:make-thread (lambda () (loop))))) (sleep 0.02) (sb-thread:terminate-thread th) (say (sb-thread:join-thread th :default :killed)))
(say (handler-case (sb-ext:with-timeout 0.05 (loop)) (sb-ext:timeout () "timeout")))
;; Programs and sockets.
(let ((p (run-program "/bin/sh" '("-c" "tr a-z A-Z; exit 4") :input (make-string-input-stream "piped") :output :stream :wait t)))
  (say (read-line (process-output p)) (process-exit-code p)))
(let ((p (run-program "/bin/sleep" '("100") :wait nil))) (process-kill p 15) (process-wait p) (say (process-status p) (process-exit-code p)))
(require :sb-bsd-sockets)
(let ((s (make-instance 'sb-bsd-sockets:inet-socket :type :stream :protocol :tcp)) (c (make-instance 'sb-bsd-sockets:inet-socket :type :stream :protocol :tcp)))
  (sb-bsd-sockets:socket-bind s #(127 0 0 1) 0) (sb-bsd-sockets:socket-listen s 5)
  (let ((th (sb-thread:make-thread (lambda () (let* ((a (sb-bsd-sockets:socket-accept s)) (st (sb-bsd-sockets:socket-make-stream a :input t :output t :buffering :line))) (format st "echo ~a~%" (read-line st)) (close st))))))
    (sb-bsd-sockets:socket-connect c #(127 0 0 1) (nth-value 1 (sb-bsd-sockets:socket-name s)))
    (let ((st (sb-bsd-sockets:socket-make-stream c :input t :output t :buffering :line))) (format st "hello~%") (say (read-line st)))
    (sb-thread:join-thread th)))
;; Foreign functions, with a callback.
(say (sb-alien:alien-funcall (sb-alien:extern-alien "strlen" (function sb-alien:int sb-alien:c-string)) "12345") (sb-posix-free-getpid-p))
EOF
sed -i 's/ (sb-posix-free-getpid-p)//' main.lisp
cat >>main.lisp <<'EOF'
(with-open-file (o "/tmp/data.txt" :direction :output :if-exists :supersede) (dotimes (i 3) (format o "~d line~%" i)))
(with-open-file (i "/tmp/data.txt") (say (loop for l = (read-line i nil) while l collect l)))
(defvar *state* (list "kept" (fib 20)))
(defun main () (say *state* (cdr sb-ext:*posix-argv*) (area (make-instance 'square :name 's :a 3))) (exit :code 6))
(say "saving") (setf *features* (cons :saved *features*))
(save-lisp-and-die "/tmp/prog" :executable t :toplevel #'main)
EOF
step script; sbcl --noinform --non-interactive --no-userinit --load main.lisp >out 2>err; echo $?; grep -v '^; \(compil\|wrote\)' out | sed 's/^\[.*//; /^$/d; /^;/d' ; grep -c . err | awk '{print ($1 < 100)}'
step core; ls prog; ./prog one two; echo $?
step shebang; printf '#!/usr/bin/sbcl --script\n(write-line "from a script")\n(error "ends here")\n' >s.lisp; chmod +x s.lisp; ./s.lisp 2>&1 | head -3 | sed 's/{[^}]*}//'; echo ${PIPESTATUS[0]}
step repl; printf '(+ 1 2)\n(list :a "b")\n(disassemble (quote car) :stream (make-broadcast-stream))\n(car 1)\n:abort\n(exit :code 9)\n' | sbcl --noinform --disable-debugger 2>/dev/null | grep -v '^$' | head -5; echo ${PIPESTATUS[1]}
