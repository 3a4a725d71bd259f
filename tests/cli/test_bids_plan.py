"""How series of a BIDS data set are mapped: models, protocols, masks, names; nothing is estimated here."""

import dataclasses
import inspect
import json

import numpy as np
import pytest

from raofit.cli._bids_files import file_maps, has_two_t1_maps, map_name
from raofit.cli._bids_plan import diffusion_model, map_options, plan_map
from raofit.cli._bids_run import BidsOptions, parse_models
from raofit.cli._map_run import MapOptions
from raofit.cli.map import map_image
from raofit.io.bids_dataset import Visit, find_collections
from tests.cli import bids_data
from tests.cli.helpers import save


@pytest.fixture
def study(tmp_path):
    """One session with every kind of series."""
    root = bids_data.dataset(tmp_path / "study")
    folder, stem = root / "sub-01" / "ses-a", "sub-01_ses-a"
    for add in (bids_data.add_vfa, bids_data.add_mese, bids_data.add_megre, bids_data.add_ir, bids_data.add_mts):
        add(folder, stem)
    bids_data.add_dwi(folder, stem, bids_data.IVIM_B_VALUES)
    bids_data.write(root / "VFA.json", {"RepetitionTimeExcitation": bids_data.REPETITION_TIME})
    return root


def plans(root, **options):
    found = find_collections(root, Visit("01", "a"))
    made = [plan_map(collection, BidsOptions(root, root / "out", **options)) for collection in found]
    return {plan.collection.name.suffix: plan for plan in made}


def test_every_suffix_has_its_model_and_protocol(study):
    found = plans(study)
    assert {suffix: plan.model for suffix, plan in found.items()} == {
        "IRT1": "t1-ir",
        "MEGRE": "t2star",
        "MESE": "t2",
        "MTS": "mtsat",
        "VFA": "t1-vfa",
        "dwi": "ivim",
    }
    options = {suffix: map_options(plan, study) for suffix, plan in found.items()}
    assert options["IRT1"].ti == "0.05,0.3,0.8,2.0,4.0"
    assert tuple(map(float, options["MESE"].te.split(","))) == bids_data.ECHO_TIMES
    assert (options["VFA"].flip, options["VFA"].tr) == ("3.0,10.0,20.0", "0.015,0.015,0.015")
    assert (options["MTS"].flip, options["MTS"].mt) == ("6.0,6.0,20.0", "1.0,0.0,0.0")
    assert options["MTS"].tr == "0.028,0.028,0.018"
    assert options["dwi"].bval.name == "sub-01_ses-a_dwi.bval"
    assert [path.name for path in options["MESE"].images][9] == "sub-01_ses-a_echo-10_MESE.nii.gz"


def test_models_that_are_asked_for(study):
    found = plans(study, models=parse_models(("MESE=t2-epg", "dwi=adc", "VFA=t1-vfa-b1")))
    assert [found[suffix].model for suffix in ("MESE", "dwi", "VFA")] == ["t2-epg", "adc", "t1-vfa-b1"]
    assert found["dwi"].options["b_max"] == 1050.0


def test_a_b1_map_is_known_and_not_written_again(study):
    """Files as `raofit map` leaves them, without an estimate."""
    session = study / "sub-01" / "ses-a"
    b1 = session / "fmap" / "sub-01_ses-a_TB1map.nii.gz"
    b1.parent.mkdir()
    bids_data.save(b1, np.full(bids_data.SHAPE, bids_data.B1, np.float32))
    plan = plans(study)["VFA"]
    assert (plan.model, plan.options["known"], plan.sources[-1]) == ("t1-vfa-b1", (f"B1={b1}",), b1)
    assert plans(study, b1=False)["VFA"].model == "t1-vfa"
    maps = study / "maps"
    maps.mkdir()
    settings = {"Estimator": "mle", "Noise": "rician"}
    for name in ("T1", "B1", "B1_std", "raofit"):
        content = {"Description": name, "Units": "s", "Settings": settings, "Model": "t1-vfa-b1"}
        bids_data.write(maps / f"{name}.json", content)
        (maps / f"{name}.nii.gz").touch()
    (maps / "report.html").touch()
    file_maps(maps, study / "out", plan, is_shared=False)
    stem = "sub-01_ses-a"
    filed = sorted(path.name for path in (study / "out" / "anat").iterdir())
    assert filed == [f"{stem}_T1map.json", f"{stem}_T1map.nii.gz", f"{stem}_desc-VFA_report.html"]
    sidecar = json.loads((study / "out" / "anat" / f"{stem}_T1map.json").read_text())
    assert sidecar["Sources"][-1] == f"bids:raw:sub-01/ses-a/fmap/{stem}_TB1map.nii.gz"
    assert sidecar["EstimationAlgorithm"] == "maximum likelihood (t1-vfa-b1, rician noise)"
    assert sidecar["Raofit"] == {"Settings": settings, "Model": "t1-vfa-b1"}


def test_names_of_maps(study):
    found = plans(study)

    def name(suffix, quantity, **shared):
        return str(map_name(found[suffix], quantity, is_shared=bool(shared))).removeprefix("sub-01_ses-a_")

    assert name("MESE", "T2") == "T2map.nii.gz"
    assert name("MEGRE", "T2star_std") == "desc-std_T2starmap.nii.gz"
    assert name("MESE", "S0") == "desc-MESE_S0map.nii.gz"
    assert name("VFA", "S0_std") == "desc-std_M0map.nii.gz"
    assert name("VFA", "S0", is_shared=True) == "desc-VFA_M0map.nii.gz"
    assert name("VFA", "T1", is_shared=True) == "desc-VFA_T1map.nii.gz"
    assert name("IRT1", "T1_std", is_shared=True) == "desc-IRT1std_T1map.nii.gz"
    assert name("IRT1", "inversion_factor") == "model-t1ir_param-inversionfactor_anatmap.nii.gz"
    assert name("dwi", "D_fast_std") == "model-ivim_param-dfast_desc-std_dwimap.nii.gz"
    assert name("dwi", "status") == "desc-dwistatus_dseg.nii.gz"


def test_two_ways_to_a_t1_map(study):
    assert has_two_t1_maps(study)
    for image in study.rglob("*_IRT1.nii.gz"):
        image.unlink()
    assert has_two_t1_maps(study)  # of flip angles, and of MTS
    for image in study.rglob("*_MTS.nii.gz"):
        image.unlink()
    assert not has_two_t1_maps(study)


def test_the_mask_of_a_series(study):
    folder = study / "derivatives" / "masks" / "sub-01"
    folder.mkdir(parents=True)
    mask = save(folder / "a_VFA_brain.nii.gz", np.ones(bids_data.SHAPE, np.uint8))
    save(folder / "a_other_brain.nii.gz", np.ones(bids_data.SHAPE, np.uint8))
    pattern = "derivatives/masks/sub-{subject}/{session}_{suffix}_*.nii.gz"
    (collection,) = (item for item in find_collections(study, Visit("01", "a")) if item.name.suffix == "VFA")
    assert plan_map(collection, BidsOptions(study, study, mask=pattern)).options["mask"] == mask
    absolute = str(folder / "*_VFA_*")
    assert plan_map(collection, BidsOptions(study, study, mask=absolute)).options["mask"] == mask


@pytest.mark.parametrize(
    ("b_values", "model"),
    [
        ([0, 10, 20, 30, 50, 80, 100, 200, 400, 800], "ivim"),
        ([0, 5, 995, 1000, 1005], "adc"),
        ([0, 0, 1000, 2000], "adc"),
        ([0, 100, 500, 800, 1000], "adc"),
        ([0, 5], None),
        ([0, 3000], None),
    ],
)
def test_diffusion_models_by_b_values(b_values, model):
    assert diffusion_model(np.array(b_values, float)) == model


def test_a_map_has_the_defaults_of_the_command():
    """`MapOptions` says again what `raofit map` has as defaults; in bytes and numbers where that takes text."""
    stated = {name: item.default for name, item in inspect.signature(map_image).parameters.items()}
    fields = {item.name: item.default for item in dataclasses.fields(MapOptions)}
    assert fields.pop("memory_bytes") == stated["memory"] << 20
    assert fields.pop("fill") == float(stated["fill"])
    assert fields.pop("estimator") == "mle"
    for name in fields.keys() - {"images", "out"}:
        assert fields[name] == stated[name], name
