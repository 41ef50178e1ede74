#!/usr/bin/env python3
"""Each rule of tidy.py finds a planted offence, and lets a clean tree pass."""
import contextlib
import io
import os
import pathlib
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import tidy

CLEAN = {
    "base/a.h": "#pragma once\n#include <string>\n",
    "store/b.cc": '#include "base/a.h"\n',
    "cli/compose.cc": '#include "base/a.h"\n#include "store/b.h"\n',
}
OFFENCES = {
    "layers": [("base/x.cc", '#include "cache/y.h"\n'), ("store/x.cc", '#include "cache/y.h"\n'),
               ("fs/x.cc", '#include "store/y.h"\n'), ("cli/x.cc", '#include "store/y.h"\n#include "fs/y.h"\n'),
               ("cache/x.cc", '#include "sibling.h"\n'), ("elsewhere/x.cc", "int x;\n")],
    "seams": [("store/x.cc", "#include <leveldb/db.h>\n"), ("fs/x.cc", "#include <fuse_lowlevel.h>\n"),
              ("cli/x.cc", "#include <toml++/toml.h>\n"), ("store/x.h", '#include "store/records.pb.h"\n')],
    "length": [("base/long.cc", "int x;\n" * 501), ("tests/long.py", "x = 1\n" * 501)],
    "words": [("base/x.cc", "// TO" "DO: more\n"), ("base/x.h", "class Lock" "Manager {};\n"), ("docs/x.md", "slow for " "now\n")],
    "pragma_once": [("base/x.h", "int x;\n")],
    "clang_format": [("base/x.cc", "int   x  ;\n")],
    "scripts": [("tests/x.sh", "if true; then\n"), ("tests/x.py", "def (:\n"), ("tests/x", "#!/bin/bash\ntrue\n")],
}


class TidyTest(unittest.TestCase):
    def run_rule(self, files, *rules):
        with tempfile.TemporaryDirectory() as root:
            for name, text in files.items():
                path = pathlib.Path(root, name)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            pathlib.Path(root, ".clang-format").write_text("BasedOnStyle: Google\n")
            output = io.StringIO()
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(output):
                return tidy.main([root, *rules]), output.getvalue()

    def test_clean_tree_passes(self):
        self.assertEqual(self.run_rule(CLEAN), (0, ""))

    def test_each_rule_finds_its_offences(self):
        self.assertEqual(set(OFFENCES), set(tidy.RULES))
        for rule, offences in OFFENCES.items():
            for name, text in offences:
                with self.subTest(rule=rule, file=name):
                    code, output = self.run_rule({**CLEAN, name: text}, rule)
                    self.assertEqual(code, 1, output)
                    self.assertIn(name, output)

    def test_an_empty_tree_is_no_success(self):
        self.assertEqual(self.run_rule({}, "layers")[0], 2)


if __name__ == "__main__":
    unittest.main()
