// The vDSO: functions of the kernel's that a program calls without a system call (man vdso). A small ELF library that
// every program finds mapped (AT_SYSINFO_EHDR), with the page of data before it: struct vdso_data of vdso.c.
//
// Time is what the page says of the moment it was written, and the counter's ticks since. When the page has changed
// meanwhile it is read again; number 0 says that there is nothing to be had from it, and the kernel is asked.

.set NUMBER, vdso_data
.set TSC, vdso_data + 8
.set SCALE, vdso_data + 16 // nanoseconds a tick, 32 bits behind the point
.set CLOCK, vdso_data + 24 // CLOCK_REALTIME, CLOCK_MONOTONIC at TSC
.set SECOND, 1000000000

.macro function name
    .globl \name
    .type \name, @function
    .p2align 5
\name:
    .cfi_startproc
    endbr64
.endm
.macro end name
    .cfi_endproc
    .size \name, . - \name
.endm
.macro to_kernel nr
    mov $\nr, %eax
    syscall
    ret
.endm
// rax: nanoseconds of clock rdi, 0 or 1. Else to `ask`.
.macro read_clock ask
    lea CLOCK(%rip), %r8
1:  mov NUMBER(%rip), %r9d
    test %r9d, %r9d
    jz \ask
    lfence // not before what the program did before it asked
    rdtsc
    shl $32, %rdx
    or %rdx, %rax
    xor %edx, %edx
    sub TSC(%rip), %rax
    cmovc %rdx, %rax
    mulq SCALE(%rip)
    shrd $32, %rdx, %rax
    add (%r8, %rdi, 8), %rax
    cmp NUMBER(%rip), %r9d
    jne 1b
.endm

.text
function __vdso_clock_gettime
    cmp $1, %edi
    ja 2f
    mov %edi, %edi
    read_clock 2f
    xor %edx, %edx
    mov $SECOND, %ecx
    div %rcx
    mov %rax, (%rsi)
    mov %rdx, 8(%rsi)
    xor %eax, %eax
    ret
2:  to_kernel 228
end __vdso_clock_gettime

function __vdso_gettimeofday
    mov %rdi, %r10
    test %rsi, %rsi
    jnz 2f
    test %rdi, %rdi
    jz 2f
    xor %edi, %edi
    read_clock 2f
    xor %edx, %edx
    mov $SECOND, %ecx
    div %rcx
    mov %rax, (%r10)
    mov %edx, %eax
    xor %edx, %edx
    mov $1000, %ecx
    div %ecx
    mov %rax, 8(%r10)
    xor %eax, %eax
    ret
2:  mov %r10, %rdi
    to_kernel 96
end __vdso_gettimeofday

function __vdso_time
    mov %rdi, %r10
    xor %edi, %edi
    read_clock 2f
    xor %edx, %edx
    mov $SECOND, %ecx
    div %rcx
    test %r10, %r10
    jz 3f
    mov %rax, (%r10)
3:  ret
2:  mov %r10, %rdi
    to_kernel 201
end __vdso_time

function __vdso_clock_getres
    to_kernel 229
end __vdso_clock_getres

// The box has one CPU, of one node.
function __vdso_getcpu
    xor %eax, %eax
    test %rdi, %rdi
    jz 1f
    mov %eax, (%rdi)
1:  test %rsi, %rsi
    jz 2f
    mov %eax, (%rsi)
2:  ret
end __vdso_getcpu

// Programs know these by both names.
.weak clock_gettime, gettimeofday, time, clock_getres, getcpu
.set clock_gettime, __vdso_clock_gettime
.set gettimeofday, __vdso_gettimeofday
.set time, __vdso_time
.set clock_getres, __vdso_clock_getres
.set getcpu, __vdso_getcpu

.hidden vdso_data
.section .note.GNU-stack, "", @progbits
