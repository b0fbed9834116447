"""The digest of a run's code: what it covers, and what it leaves out."""

from benchmarks.records.provenance import _imported, code_digest


def test_a_digest_covers_what_a_method_imports_and_no_other_method() -> None:
    files = _imported(["methods.dann", "methods.networks.backbones.lenet"])
    assert {"methods.base", "methods.losses.adversarial", "methods.networks.layers"} <= files
    assert not {"methods.cdan", "methods.losses.mmd", "methods.networks.backbones.cnn"} & files


def test_digests_differ_by_method_data_and_backbone_and_not_by_its_options() -> None:
    base = code_digest("dann", "toys", "mlp")
    others = {
        code_digest("dan", "toys", "mlp"),
        code_digest("dann", "digits", "mlp"),
        code_digest("dann", "toys", "cnn"),
    }
    assert len(others | {base}) == 4
    assert code_digest("dann", "toys", "mlp?width=3") == base
