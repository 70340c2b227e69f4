# GHC: ghc, -O and -threaded programs of several modules, STM, exceptions, laziness, text and bytes, processes and sockets' kin; ghci -e, runghc, profiling of the heap, foreign calls.
# image: languages
# package: ghc
# options: --memory 3G
export HOME=/tmp; mkdir -p /tmp/w/Data; cd /tmp/w
step() { echo "== $*"; }
cat >Data/Shape.hs <<'EOF'
{-# LANGUAGE GADTs, KindSignatures, RankNTypes #-}
module Data.Shape (Shape(..), area, Expr(..), eval) where
data Shape = Circle Double | Rect { w, h :: Double } deriving (Show, Read, Eq, Ord)
area :: Shape -> Double
area (Circle r) = pi * r * r
area (Rect a b) = a * b
data Expr :: * -> * where
  I :: Int -> Expr Int
  B :: Bool -> Expr Bool
  If :: Expr Bool -> Expr a -> Expr a -> Expr a
  Add :: Expr Int -> Expr Int -> Expr Int
  Eq :: Expr Int -> Expr Int -> Expr Bool
eval :: Expr a -> a
eval (I n) = n
eval (B b) = b
eval (If c t e) = if eval c then eval t else eval e
eval (Add a b) = eval a + eval b
eval (Eq a b) = eval a == eval b
EOF
cat >Main.hs <<'EOF'
{-# LANGUAGE ScopedTypeVariables, BangPatterns, OverloadedStrings, ForeignFunctionInterface #-}
module Main (main) where
import Control.Concurrent
import Control.Concurrent.STM
import Control.Exception
import Control.Monad
import Control.Monad.ST
import qualified Data.ByteString.Char8 as BS
import Data.Char (toUpper)
import Data.IORef
import Data.List
import qualified Data.Map.Strict as M
import Data.STRef
import Data.Shape
import qualified Data.Text as T
import qualified Data.Text.IO as T
import Foreign hiding (void)
import Foreign.C
import System.Environment
import System.Exit
import System.IO
import System.IO.Error
import System.Mem
import System.Posix.Signals
import System.Process
import System.Timeout

foreign import ccall "math.h sin" c_sin :: CDouble -> CDouble
foreign import ccall "stdlib.h qsort" c_qsort :: Ptr CInt -> CSize -> CSize -> FunPtr (Ptr CInt -> Ptr CInt -> IO CInt) -> IO ()
foreign import ccall "wrapper" mkCompare :: (Ptr CInt -> Ptr CInt -> IO CInt) -> IO (FunPtr (Ptr CInt -> Ptr CInt -> IO CInt))

data Mine = Mine Int deriving Show
instance Exception Mine

primes :: [Int]
primes = 2 : filter (\n -> all (\p -> n `mod` p /= 0) (takeWhile (\p -> p * p <= n) primes)) [3, 5 ..]

main :: IO ()
main = do
  hSetBuffering stdout LineBuffering
  args <- getArgs
  print (args, map area [Circle 1, read "Rect {w = 2.0, h = 3.5}"])
  print (eval (If (Eq (Add (I 2) (I 2)) (I 4)) (I 42) (I 0)))
  print (primes !! 3000, sum (takeWhile (< 1000) (map (^ (2 :: Int)) [1 .. 10 ^ (9 :: Int)])) :: Int)
  print ((2 ^ (300 :: Int)) `divMod` (3 ^ (100 :: Int) :: Integer), fromIntegral (maxBound :: Int) + 1 :: Integer)
  -- Threads and transactions.
  account <- newTVarIO (1000 :: Int)
  other <- newTVarIO 0
  done <- newEmptyMVar
  forM_ [1 .. 20] $ \i -> forkIO $ do
    replicateM_ 100 (atomically (do { a <- readTVar account; when (a < 1) retry; writeTVar account (a - 1); modifyTVar' other (+ 1) }) >> when (i == 20) yield) `catch` \(e :: SomeException) -> pure ()
    putMVar done ()
  forkIO (replicateM_ 1000 (atomically (modifyTVar' account (+ 1))))
  replicateM_ 20 (takeMVar done)
  atomically (check . (== 2000) =<< readTVar other) >> readTVarIO other >>= print
  chan <- newChan
  forM_ [1 .. 1000 :: Int] $ \i -> forkIO (writeChan chan i)
  replicateM 1000 (readChan chan) >>= print . sum
  (newEmptyMVar >>= \m -> takeMVar (m :: MVar ())) `catch` \(e :: BlockedIndefinitelyOnMVar) -> print e
  t <- forkIO (threadDelay 100000000 `catch` \(e :: AsyncException) -> print e >> putMVar done ())
  yield >> killThread t >> takeMVar done
  timeout 20000 (forever (threadDelay 1000)) >>= (print :: Maybe () -> IO ())
  timeout 50000 (evaluate (length [1 :: Integer ..])) >>= print
  -- Exceptions.
  r <- try (evaluate (1 `div` (0 :: Int))) :: IO (Either ArithException Int)
  print r
  print =<< (try (throwIO (Mine 3)) :: IO (Either Mine ()))
  (void (evaluate (head ([] :: [Int])))) `catch` \(e :: ErrorCall) -> putStrLn (takeWhile (/= '\n') (show e))
  (readFile "/nonexistent" >>= putStr) `catch` \e -> print (isDoesNotExistError e, e)
  (do { _ <- evaluate (let Just x = M.lookup 1 (M.empty :: M.Map Int Int) in x); pure () }) `catch` \(e :: PatternMatchFail) -> putStrLn "pattern"
  flip finally (putStrLn "finally") $ bracket (pure 1) (\_ -> putStrLn "released") (\x -> print (x + 1 :: Int))
  print =<< (try (evaluate (foldr (+) 0 [1 .. 1000000 :: Integer])) :: IO (Either SomeException Integer))
  -- Data and garbage.
  let m = foldl' (\a i -> M.insertWith (+) (i * 7919 `mod` 10007) i a) M.empty [1 .. 100000 :: Int]
  print (M.size m, M.foldl' (+) 0 m)
  print (runST (do { s <- newSTRef (0 :: Int); forM_ [1 .. 100000] (\i -> modifySTRef' s (+ i)); readSTRef s }))
  performGC
  T.putStrLn (T.toUpper (T.intercalate ", " (T.splitOn "x" "eins x zwei x drei é漢")))
  BS.writeFile "/tmp/w/data" (BS.unlines (map (BS.pack . show) [1 .. 5000 :: Int]))
  b <- BS.readFile "/tmp/w/data"
  print (BS.length b, fmap fst (BS.readInt (last (BS.lines b))))
  print . sort . words . map toUpper =<< pure "b a c"
  -- C, signals, processes.
  cmp <- mkCompare (\a b' -> (\x y -> fromIntegral (fromEnum (compare x y) - 1)) <$> peek a <*> peek b')
  withArrayLen [5, 3, 9, 1] $ \n p -> c_qsort p (fromIntegral n) 4 cmp >> peekArray n p >>= print
  print (c_sin 1)
  sig <- newEmptyMVar
  _ <- installHandler sigUSR1 (Catch (putMVar sig "signal")) Nothing
  raiseSignal sigUSR1 >> takeMVar sig >>= putStrLn
  readProcessWithExitCode "sh" ["-c", "tr a-z A-Z; echo e >&2; exit 3"] "input" >>= print
  ref <- newIORef (0 :: Int)
  ws <- forM [1 .. 4 :: Int] $ \i -> do { v <- newEmptyMVar; _ <- forkOn i (evaluate (length (filter even [i .. 200000])) >>= putMVar v); pure v }
  mapM takeMVar ws >>= mapM_ (\n -> modifyIORef' ref (+ n)) >> readIORef ref >>= print
  hPutStrLn stderr "to stderr"
  case args of
    ["die"] -> error "the end"
    ["stack"] -> print (foldr (\x acc -> x + acc) 0 [1 .. 10000000 :: Integer])
    _ -> exitWith (ExitFailure 4)
EOF
step threaded; ghc -v1 -O -threaded -rtsopts -o prog Main.hs 2>&1; ./prog a b +RTS -N2; echo $?
step plain; ghc -v0 -O0 -outputdir /tmp/o0 -o prog0 Main.hs; ./prog0 die >/tmp/o0/out 2>/tmp/o0/err; echo $?; tail -3 /tmp/o0/out; cat /tmp/o0/err
step limits; ./prog stack +RTS -K1m 2>&1 >/dev/null | tail -1; ./prog +RTS -M8m -A1m >/dev/null 2>&1; ./prog +RTS -s 2>&1 >/dev/null | grep -o 'GC  *time\|bytes allocated in the heap'; ./prog +RTS -c -A256k >/dev/null 2>&1; echo $?
step ghci; ghc -e 'map (*2) [1..5]' -e ':t foldr' -e 'import Data.Bits' -e 'popCount (255 :: Int)'; ghc -e 'area (Circle 2)' Data/Shape.hs; printf 'let f n = product [1..n]\nf 20\n:i Bool\n1 `div` 0\n:q\n' | ghci -v0 2>&1
step runghc; printf 'import System.Environment\nmain = getArgs >>= mapM_ putStrLn >> interact reverse\n' >r.hs; echo abc | runghc r.hs x y; echo
step errors; printf 'main = putStrLn (1 :: Int)\n' >e.hs; ghc e.hs 2>&1; echo $?
step packages; ghc-pkg list --simple-output --global | tr ' ' '\n' | grep -c .; ghc --info | grep -o 'RTS expects libdw'; ghc -v0 -package stm -dynamic -o dyn r.hs && echo abc | ./dyn 1; echo
