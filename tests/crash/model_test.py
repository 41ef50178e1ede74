#!/usr/bin/env python3
"""The crash driver's judge: replays on a plain directory agree with the model, and it condemns what no promise allows."""
import os
import random
import sys
import tempfile
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import model as tree


class ModelTest(unittest.TestCase):
    def test_operations_on_a_plain_directory_agree_with_the_model(self):
        seed = random.SystemRandom().randrange(1 << 30)
        rng = random.Random(seed)
        with tempfile.TemporaryDirectory() as root:
            model = {}
            for number in range(600):
                operation = tree.choose(model, rng, number)
                tree.execute(root, operation, lambda: None)
                model = tree.apply(model, operation)
            self.assertEqual(tree.differences(model, tree.observe(root)), [], f"seed {seed}")
            self.assertGreater(len(model), 10)

    old = ("file", b"old content", 0o644)
    new = {"kind": "overwrite", "path": "a", "content": 5, "size": 1000}

    def test_before_and_after_are_allowed_and_nothing_else(self):
        model = {"a": self.old, "b": ("file", b"other", 0o600)}
        operation = {"kind": "rename_over", "path": "a", "to": "b"}
        self.assertEqual(tree.judge(model, operation, model), [])
        self.assertEqual(tree.judge(model, operation, {"b": self.old}), [])
        self.assertNotEqual(tree.judge(model, operation, {"a": self.old}), [])
        self.assertNotEqual(tree.judge(model, operation, {"a": self.old, "b": self.old}), [])
        self.assertNotEqual(tree.judge(model, operation, {}), [])
        self.assertNotEqual(tree.judge(model, None, {"b": self.old}), [])

    def test_lost_torn_and_foreign_content_is_condemned(self):
        model = {"a": self.old}
        self.assertNotEqual(tree.judge(model, None, {"a": ("file", b"old conten", 0o644)}), [])
        self.assertNotEqual(tree.judge(model, None, {"a": ("file", b"old content", 0o600)}), [])
        self.assertNotEqual(tree.judge(model, None, {**model, "t1": self.old}), [])
        after = tree.apply(model, self.new)["a"]
        self.assertEqual(tree.judge(model, self.new, {"a": after}), [])
        self.assertEqual(tree.judge(model, self.new, {"a": ("file", after[1][:300], 0o644)}), [])
        self.assertEqual(tree.judge(model, self.new, {"a": ("file", b"", 0o644)}), [])
        self.assertNotEqual(tree.judge(model, self.new, {"a": ("file", b"garbage" * 10, 0o644)}), [])
        self.assertNotEqual(tree.judge(model, self.new, {}), [])

    def test_a_patch_cut_short_keeps_the_old_bytes(self):
        model = {"a": self.old}
        patch = {"kind": "patch", "path": "a", "offset": 4, "content": 9, "size": 4}
        new = tree.content_of(patch)
        mixed = b"old " + new[:2] + b"nt" + b"ent"
        self.assertEqual(tree.judge(model, patch, {"a": ("file", mixed, 0o644)}), [])
        self.assertNotEqual(tree.judge(model, patch, {"a": ("file", b"old ", 0o644)}), [])
        self.assertNotEqual(tree.judge(model, patch, {"a": ("file", b"\0" * 11, 0o644)}), [])

    def test_a_replacement_is_atomic(self):
        model = {"a": self.old}
        replace = {"kind": "replace", "path": "a", "temporary": "t1", "content": 3, "size": 50}
        new = ("file", tree.content_of(replace), 0o644)
        self.assertEqual(tree.judge(model, replace, {"a": self.old, "t1": ("file", new[1][:20], 0o644)}), [])
        self.assertEqual(tree.judge(model, replace, {"a": new}), [])
        self.assertNotEqual(tree.judge(model, replace, {"a": ("file", new[1][:20], 0o644)}), [])
        self.assertNotEqual(tree.judge(model, replace, {"t1": new}), [])


if __name__ == "__main__":
    unittest.main()
