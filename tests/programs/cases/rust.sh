# Rust: rustc and cargo without a network; a workspace with a library, tests and doc-free modules; threads, channels, panics and unwinding, std::net and processes.
# image: languages
# package: rustc cargo
# options: --memory 3G
export HOME=/tmp CARGO_HOME=/tmp/cargo CARGO_NET_OFFLINE=true CARGO_TERM_COLOR=never; cd /tmp
step() { echo "== $*"; }
step cargo; cargo new --vcs none app 2>&1; cargo new --vcs none --lib shapes 2>&1; cat app/Cargo.toml
printf 'shapes = { path = "../shapes" }\n' >>app/Cargo.toml
cat >shapes/src/lib.rs <<'EOF'
//! Shapes.
use std::fmt;

pub trait Area {
    fn area(&self) -> f64;
}
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    Circle(f64),
    Rect { w: f64, h: f64 },
}
impl Area for Shape {
    fn area(&self) -> f64 {
        match self {
            Shape::Circle(r) => std::f64::consts::PI * r * r,
            Shape::Rect { w, h } => w * h,
        }
    }
}
impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:?} of {:.3}", self, self.area())
    }
}
impl std::str::FromStr for Shape {
    type Err = String;
    fn from_str(s: &str) -> Result<Self, String> {
        let n: Result<Vec<f64>, _> = s.split('x').map(|p| p.parse::<f64>().map_err(|e| format!("{p}: {e}"))).collect();
        match n?.as_slice() {
            [r] => Ok(Shape::Circle(*r)),
            [w, h] => Ok(Shape::Rect { w: *w, h: *h }),
            v => Err(format!("{} numbers", v.len())),
        }
    }
}
#[cfg(test)]
mod tests {
    use super::*;
    #[test]
    fn parses() {
        assert_eq!("2x3".parse(), Ok(Shape::Rect { w: 2.0, h: 3.0 }));
    }
    #[test]
    #[should_panic(expected = "3 numbers")]
    fn refuses() {
        "1x2x3".parse::<Shape>().unwrap();
    }
    #[test]
    fn fails() {
        assert_eq!(Shape::Circle(1.0).area(), 3.0, "pi is not 3");
    }
    #[test]
    #[ignore]
    fn later() {}
}
EOF
cat >app/src/main.rs <<'EOF'
use shapes::{Area, Shape};
use std::collections::{BTreeMap, BinaryHeap, HashMap, HashSet, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{mpsc, Arc, Barrier, Condvar, Mutex, Once, RwLock};
use std::{fs, panic, thread, time::Duration};

struct Noisy(&'static str);
impl Drop for Noisy {
    fn drop(&mut self) {
        println!("drop {}{}", self.0, if thread::panicking() { " unwinding" } else { "" });
    }
}
thread_local!(static LOCAL: std::cell::RefCell<u32> = std::cell::RefCell::new(1));

fn threads() {
    let n = Arc::new(Mutex::new(0u64));
    let a = Arc::new(AtomicUsize::new(0));
    let all: Vec<_> = (0..8u64)
        .map(|i| {
            let (n, a) = (n.clone(), a.clone());
            thread::Builder::new().name(format!("w{i}")).spawn(move || {
                for k in 0..10000 {
                    *n.lock().unwrap() += k ^ i;
                    a.fetch_add(1, Ordering::SeqCst);
                }
                LOCAL.with(|l| *l.borrow_mut() += i as u32);
                LOCAL.with(|l| *l.borrow())
            }).unwrap()
        })
        .collect();
    let locals: Vec<u32> = all.into_iter().map(|t| t.join().unwrap()).collect();
    println!("{} {} {:?}", n.lock().unwrap(), a.load(Ordering::SeqCst), locals);
    let (tx, rx) = mpsc::sync_channel(2);
    thread::scope(|s| {
        for i in 0..4 {
            let tx = tx.clone();
            s.spawn(move || (0..250).for_each(|k| tx.send(i * 1000 + k).unwrap()));
        }
        drop(tx);
        println!("received {}", rx.iter().sum::<i32>());
    });
    let pair = Arc::new((Mutex::new(false), Condvar::new()));
    let p2 = pair.clone();
    let t = thread::spawn(move || { *p2.0.lock().unwrap() = true; p2.1.notify_one(); });
    let mut ready = pair.0.lock().unwrap();
    while !*ready { ready = pair.1.wait(ready).unwrap(); }
    println!("{}", pair.1.wait_timeout(ready, Duration::from_millis(5)).unwrap().1.timed_out());
    t.join().unwrap();
    let (b, once, rw) = (Arc::new(Barrier::new(4)), Arc::new(Once::new()), Arc::new(RwLock::new(vec![0])));
    let leaders: usize = (0..4).map(|i| { let (b, once, rw) = (b.clone(), once.clone(), rw.clone());
        thread::spawn(move || { once.call_once(|| println!("once")); rw.write().unwrap().push(i); b.wait().is_leader() as usize }) })
        .collect::<Vec<_>>().into_iter().map(|t| t.join().unwrap()).sum();
    println!("leaders {leaders} {}", rw.read().unwrap().len());
}

fn panics() {
    panic::set_hook(Box::new(|i| println!("hook: {}", i.payload().downcast_ref::<&str>().map(|s| s.to_string()).or(i.payload().downcast_ref::<String>().cloned()).unwrap_or_default())));
    let r = panic::catch_unwind(|| { let _n = Noisy("inner"); let v: Vec<i32> = vec![]; v[v.len()] });
    println!("caught {}", r.is_err());
    let m = Arc::new(Mutex::new(1));
    let m2 = m.clone();
    println!("{}", thread::spawn(move || { let _g = m2.lock().unwrap(); panic!("in a thread") }).join().is_err());
    println!("poisoned {}", m.lock().is_err());
    println!("{:?}", panic::catch_unwind(|| i32::MAX.checked_add(1).expect("overflow")).is_err());
    println!("{:?} {:?}", "x".parse::<i32>(), std::str::from_utf8(&[0xff]).is_err());
    let _ = panic::take_hook();
}

fn collections() {
    let mut h: HashMap<String, usize> = HashMap::new();
    for w in "the cat the dog the end".split(' ') { *h.entry(w.into()).or_default() += 1; }
    let b: BTreeMap<_, _> = h.iter().collect();
    println!("{b:?}");
    let mut heap: BinaryHeap<_> = (0..1000u32).map(|x| x.wrapping_mul(2654435761) % 1000).collect();
    println!("{:?} {}", (0..3).map(|_| heap.pop().unwrap()).collect::<Vec<_>>(), heap.len());
    let s: HashSet<u64> = (0..100000u64).map(|x| x * x % 1009).collect();
    let mut d: VecDeque<i32> = (0..5).collect();
    d.rotate_left(2);
    println!("{} {d:?}", s.len());
    let mut v: Vec<u64> = (0..300000u64).map(|x| x.wrapping_mul(0x9e3779b97f4a7c15) >> 20).collect();
    v.sort_unstable();
    println!("{} {:?}", v.windows(2).all(|w| w[0] <= w[1]), v.binary_search(&v[777]).is_ok());
    println!("{}", (1..=30u128).product::<u128>());
}

fn net() -> std::io::Result<()> {
    let l = TcpListener::bind("127.0.0.1:0")?;
    let at = l.local_addr()?;
    let t = thread::spawn(move || for s in l.incoming().take(5) {
        let mut s = s.unwrap();
        let mut line = String::new();
        BufReader::new(s.try_clone().unwrap()).read_line(&mut line).unwrap();
        write!(s, "echo {line}").unwrap();
    });
    for i in 0..5 {
        let mut s = TcpStream::connect(at)?;
        writeln!(s, "line {i}")?;
        let mut got = String::new();
        s.read_to_string(&mut got)?;
        print!("{got}");
    }
    t.join().unwrap();
    println!("{:?}", TcpStream::connect(at).map_err(|e| e.kind()).err());
    let u = UdpSocket::bind("127.0.0.1:0")?;
    u.set_read_timeout(Some(Duration::from_millis(10)))?;
    println!("{:?}", u.recv(&mut [0; 4]).map_err(|e| e.kind()));
    let (mut a, mut b) = UnixStream::pair()?;
    a.write_all(b"pair")?;
    drop(a);
    let mut s = String::new();
    b.read_to_string(&mut s)?;
    println!("{s}");
    Ok(())
}

fn system() -> std::io::Result<()> {
    fs::create_dir_all("/tmp/d/e")?;
    fs::write("/tmp/d/e/f", "content")?;
    println!("{} {:?}", fs::read_to_string("/tmp/d/e/f")?, fs::metadata("/tmp/d/e/f")?.len());
    println!("{:?}", fs::remove_dir("/tmp/d").map_err(|e| e.raw_os_error()));
    let mut c = Command::new("tr").args(["a-z", "A-Z"]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    c.stdin.take().unwrap().write_all(b"upper")?;
    println!("{}", String::from_utf8_lossy(&c.wait_with_output()?.stdout));
    println!("{:?}", Command::new("sh").args(["-c", "exit 9"]).status()?.code());
    let mut k = Command::new("sleep").arg("99").spawn()?;
    k.kill()?;
    println!("{:?}", k.wait()?.signal());
    println!("{:?}", Command::new("/none").spawn().map(|_| ()).map_err(|e| e.kind()));
    Ok(())
}
#[inline(never)]
fn deep(n: u64) -> u64 { let a = [n; 64]; if n == u64::MAX { 0 } else { deep(n + 1) + unsafe { std::ptr::read_volatile(&a[3]) } } }

fn main() {
    for s in ["2", "2x3", "1xa", "1x2x3"] {
        match s.parse::<Shape>() { Ok(s) => println!("{s} {:.1}", s.area()), Err(e) => println!("error: {e}") }
    }
    threads();
    panics();
    collections();
    net().unwrap();
    system().unwrap();
    let _n = Noisy("main");
    match std::env::args().nth(1).as_deref() {
        Some("deep") => println!("{}", deep(0)),
        Some("abort") => std::process::abort(),
        _ => panic!("the end"),
    }
}
EOF
cd app
step build; cargo build --offline 2>&1 | sed 's/ in [0-9.]*s//; s/ target(s).*//'; ./target/debug/app >/tmp/out 2>/tmp/err; echo $?; cat /tmp/out; sed 's/0x[0-9a-f]*//' /tmp/err
step again; cargo build --offline 2>&1 | sed 's/ target(s).*//'; { ./target/debug/app abort >/tmp/out2 2>&1; echo $?; } 2>/dev/null; diff <(head -20 /tmp/out) <(head -20 /tmp/out2) && echo same; ./target/debug/app deep 2>&1 >/dev/null | grep -v '^$'; echo ${PIPESTATUS[0]}
step test; cd ../shapes; cargo test --offline --lib -- --test-threads=1 2>/dev/null | sed 's/finished in.*//'
step rustc; cd /tmp; printf 'fn main() { let x: i32 = "a"; }\n' >e.rs; rustc e.rs; echo $?; printf 'fn main() { let v = vec![1]; let w = v; println!("{:?}", v); }\n' >b.rs; rustc b.rs 2>&1 | head -8
printf '#[no_mangle] pub extern "C" fn triple(x: i32) -> i32 { 3 * x }\n' >l.rs; rustc -O --crate-type cdylib l.rs -o libl.so && printf 'int triple(int); int main(void) { return triple(5); }' >c.c && gcc c.c -L. -ll -Wl,-rpath,. -o c && ./c; echo $?
