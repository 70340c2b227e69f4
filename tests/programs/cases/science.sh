# Numbers: NumPy, SciPy, pandas, Octave, Maxima, PARI/GP, calc, units.
# image: extras
# package: python3-numpy python3-scipy python3-pandas octave maxima pari-gp calc units
# options: --memory 2G
cd /tmp || exit
python3 - <<'P'
import math
import numpy as np
a = np.arange(12.).reshape(3, 4)
print(a @ a.T, np.linalg.svd(a)[1].round(6), np.fft.fft([1, 2, 3, 4]), np.random.default_rng(1).normal(size=3))
m = np.random.default_rng(2).normal(size=(120, 120))
print(np.linalg.det(m).round(3), (np.linalg.inv(m) @ m).round(6).trace(), np.linalg.eigvals(m).real.max().round(8))
import scipy.integrate, scipy.optimize, scipy.sparse, scipy.stats
print(scipy.optimize.brentq(math.cos, 0, 3), scipy.integrate.quad(math.exp, 0, 1)[0], scipy.stats.norm.cdf(1.96))
print(scipy.optimize.minimize(scipy.optimize.rosen, [1.3, 0.7, 0.8]).x.round(4), scipy.sparse.eye(5).tocsr().sum())
import pandas as pd
d = pd.DataFrame({"a": [1, 2, 3], "b": list("xyx"), "t": pd.date_range("2024-01-01", periods=3)})
print(d.groupby("b").a.sum(), d.describe(), d.pivot_table(index="b", values="a"), sep="\n")
P
octave --no-gui --eval 'A = magic(4); disp(inv(A + eye(4))); disp(eig(A)); x = linspace(0, 1, 5); disp(trapz(x, x .^ 2)); try, error("my:id", "caught"); catch e, disp(e.message); end' 2>/dev/null
maxima --very-quiet --batch-string='display2d:false$ integrate(sin(x)^2,x); factor(x^6-1); solve(x^2-2=0,x);' 2>&1 | tail -n 8
echo 'factor(2^67-1)' | gp -q -f | cat -v
calc 2^200; calc 'sqrt(2, 1e-30)'
units -t '1 mile' km
