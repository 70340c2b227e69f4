# A file of unit tests, as graders run them.
# package: python3.11-minimal
# engines: interp eager lockstep
# run: python3 -m unittest -v /tmp/unittest_file.py
# differs: s/^Ran (.*) in .*s$/Ran \1/
import os
import tempfile
import unittest


class Sums(unittest.TestCase):
    def test_sum(self):
        self.assertEqual(sum(range(100)), 4950)

    def test_fails(self):
        self.assertEqual([1, 2, 3], [1, 2, 4])

    def test_error(self):
        os.stat("/no/such/file")

    @unittest.skip("because")
    def test_skipped(self):
        self.fail()

    @unittest.expectedFailure
    def test_expected(self):
        self.assertTrue(False)

    def test_files(self):
        with tempfile.TemporaryDirectory() as d:
            with open(os.path.join(d, "f"), "w") as f:
                f.write("x" * 100000)
            self.assertEqual(os.path.getsize(os.path.join(d, "f")), 100000)
