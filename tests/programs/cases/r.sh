# R: matrices and linear algebra, models and distributions, strings and regular expressions, conditions and S4 and R5 classes, plots to PDF, parallel work by fork, sockets, C code by .Call.
# image: languages
# package: r-base-core
# options: --memory 3G
export HOME=/tmp R_HOME_USER=/tmp; cd /tmp
step() { echo "== $*"; }
cat >main.R <<'EOF'
options(digits = 7, width = 100)
set.seed(42)
x <- rnorm(100); y <- 3 + 2 * x + rnorm(100, sd = 0.5)
fit <- lm(y ~ x); print(summary(fit)); print(anova(fit))
print(t.test(x, y)$p.value < 0.05); print(quantile(x)); print(table(cut(x, -3:3)))
g <- glm(am ~ wt, data = mtcars, family = binomial); print(round(coef(g), 4))
print(aggregate(mpg ~ cyl, mtcars, mean)); print(tapply(iris$Sepal.Length, iris$Species, median))
print(round(cor(mtcars[, 1:4]), 3)); print(optimize(function(v) (v - 1/3)^2, c(0, 1))$minimum)
print(optim(c(-1.2, 1), function(p) 100 * (p[2] - p[1]^2)^2 + (1 - p[1])^2, method = "BFGS")$counts)
a <- matrix(c(4, 2, 7, 6, 9, 1, 3, 8, 5), 3); print(solve(a) %*% a); print(det(a)); print(svd(a)$d); print(eigen(crossprod(a))$values)
b <- matrix(runif(250000), 500); print(sum(b %*% b) > 0); print(dim(qr.Q(qr(b)))); print(kmeans(c(1, 1.1, 5, 5.2, 9), c(1, 5, 9))$size)
print(fft(1:8)); print(round(predict(loess(dist ~ speed, cars), 10), 4)); print(integrate(dnorm, -1.96, 1.96))
print(head(prcomp(USArrests, scale. = TRUE)$sdev)); print(cutree(hclust(dist(c(1, 2, 6, 7, 15))), 3))
s <- c("apple=1", "pear=22", "nothing", "é漢=3")
print(regmatches(s, regexpr("[0-9]+", s))); print(sub("(\\w+)=(\\d+)", "\\2 \\1", s, perl = TRUE)); print(toupper(s)); print(nchar(s)); print(sprintf("%-8s|%5.2f|%x", "ab", pi, 255L)); print(strsplit("a,b;c", "[,;]")); print(format(as.Date("2024-02-29") + 0:2, "%a %d %b %Y")); print(rev(utf8ToInt("aé")))
print(tryCatch(stop("mine"), error = function(e) conditionMessage(e), finally = cat("finally\n")))
print(withCallingHandlers(tryCatch({ warning("w1"); 1 }, warning = function(w) conditionMessage(w))))
print(tryCatch(log(-1), warning = function(w) class(w))); print(inherits(try(1 + "a", silent = TRUE), "try-error"))
f <- function(n) if (n == 0) 0 else 1 + f(n - 1); print(f(200)); options(expressions = 300); print(tryCatch(f(1000), error = function(e) conditionMessage(e))); options(expressions = 5000)
setClass("P", representation(name = "character", age = "numeric")); setGeneric("show2", function(o) standardGeneric("show2")); setMethod("show2", "P", function(o) cat(o@name, o@age, "\n")); show2(new("P", name = "Ann", age = 5))
Acc <- setRefClass("Acc", fields = list(n = "numeric"), methods = list(add = function(k) { n <<- n + k; invisible(.self) })); o <- Acc$new(n = 1); o$add(2)$add(3); print(o$n)
h <- new.env(); for (i in 1:20000) assign(paste0("k", i %% 1000), i, envir = h); print(length(ls(h))); invisible(gc())
l <- lapply(1:200, function(i) rnorm(5000)); print(length(unlist(l))); rm(l); invisible(gc())
library(compiler); k <- cmpfun(function(n) { s <- 0; for (i in 1:n) s <- s + i %% 7; s }); print(k(1e6)); print(sum(vapply(1:50000, function(i) i * 2, 0)))
print(Reduce(`+`, 1:5, accumulate = TRUE)); print(do.call(rbind, strsplit(c("a b", "c d"), " "))); print(merge(data.frame(k = 1:3, a = 4:6), data.frame(k = c(1, 3), b = 7:8))); str(list(a = 1, b = "x", c = 1:3))
write.csv(mtcars[1:3, 1:3], "/tmp/m.csv"); print(read.csv("/tmp/m.csv", row.names = 1)); saveRDS(iris, "/tmp/i.rds"); print(identical(readRDS("/tmp/i.rds"), iris))
con <- gzfile("/tmp/z.gz", "w"); writeLines(as.character(1:1000), con); close(con); print(length(readLines("/tmp/z.gz"))); print(system("exit 3")); print(system2("echo", c("a", "b"), stdout = TRUE)); print(system("cat", input = c("x", "y"), intern = TRUE))
library(parallel); print(unlist(mclapply(1:8, function(i) sum(as.numeric(1:(i * 1000))), mc.cores = 4))); print(class(suppressWarnings(mclapply(1:2, function(i) stop("in child"), mc.cores = 2))[[1]]) == "try-error")
cl <- makeCluster(2); print(parSapply(cl, 1:6, function(i) i^2)); stopCluster(cl)
pdf("/tmp/p.pdf"); plot(x, y, main = "points"); abline(fit); hist(x); boxplot(mpg ~ cyl, mtcars); persp(volcano); invisible(dev.off()); print(readLines("/tmp/p.pdf", 1)); print(file.size("/tmp/p.pdf") > 20000)
postscript("/tmp/p.ps"); barplot(1:5); invisible(dev.off()); svgfree <- length(readLines("/tmp/p.ps")); print(svgfree > 50)
dyn.load("/tmp/c.so"); print(.Call("twice", c(1, 2.5))); print(capabilities("sockets")); print(exists("T")); Sys.setenv(A = "b"); print(Sys.getenv("A")); print(nlevels(factor(c("u", "v", "u"))))
quit(status = 5)
EOF
cat >c.c <<'EOF'
#include <Rinternals.h>
SEXP twice(SEXP v) { SEXP r = PROTECT(Rf_allocVector(REALSXP, XLENGTH(v))); for (R_xlen_t i = 0; i < XLENGTH(v); i++) REAL(r)[i] = 2 * REAL(v)[i]; UNPROTECT(1); return r; }
EOF
step compile; gcc -shared -fPIC -I/usr/share/R/include c.c -o c.so; echo $?
step script; Rscript --vanilla main.R 2>err; echo $?; sort -u err | head -20
step command; Rscript -e 'cat(commandArgs(TRUE), "\n"); print(1:3 / 2)' x y; echo 'cat("from stdin", 1+1, "\n"); stop("bad")' | R --no-save --slave; echo $?; printf 'x <- 5\nx^2\nq()\n' | R --vanilla --quiet
step batch; printf 'print(2)\n' >b.R; R CMD BATCH --vanilla b.R b.out; head -3 b.out; R CMD config CC
