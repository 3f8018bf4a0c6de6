"""The same interface on Milvus, run by milvus-lite on one file."""

from pathlib import Path

import numpy as np
import pytest
from gallery_rows import CONTRACT, DIM, unit
from tiny_bundles import tiny_contract

from embedge.errors import EmbedgeError

pytest.importorskip("pymilvus", reason="embedge[milvus] not installed")
pytest.importorskip("milvus_lite", reason="embedge[milvus] not installed")

from embedge.runtime.gallery.milvus import MilvusGallery

pytestmark = pytest.mark.filterwarnings("ignore")  # the client's own


def test_a_gallery_on_milvus(tmp_path: Path) -> None:
    rows = unit(0, 30)
    names = [f"p{number % 10}" for number in range(30)]
    path = str(tmp_path / "people.db")
    with MilvusGallery(path, CONTRACT) as gallery:
        records = gallery.enroll(names, rows, CONTRACT, source="fp32")
        assert len(set(records)) == 30
        assert len(gallery) == 30
        assert gallery.people() == sorted(set(names))
        query = rows[3] + 0.1 * unit(1, 1)[0]
        query /= np.linalg.norm(query)
        (found,) = gallery.identify(query, CONTRACT, count=4)
        best = {
            name: max((rows @ query)[i] for i in range(30) if names[i] == name) for name in names
        }
        expected = sorted(best.items(), key=lambda item: -item[1])[:4]
        assert [each.person for each in found] == [name for name, _ in expected]
        assert np.allclose([each.cosine for each in found], [c for _, c in expected], atol=1e-5)
        assert len(gallery.export("p3")["templates"]) == 3
        assert gallery.erase("p3") == 3
        assert "p3" not in gallery.people()
        assert gallery.identify(rows[3], CONTRACT, count=1)[0][0].person != "p3"
        with pytest.raises(EmbedgeError, match="E-PERSON"):
            gallery.export('p3" or person != "')
        with pytest.raises(EmbedgeError, match="E-PROOF"):
            gallery.erase("p4", prove=True)
        with pytest.raises(EmbedgeError, match="E-SPACE"):
            gallery.enroll("x", rows[0], tiny_contract(DIM, space="another"))
        with pytest.raises(EmbedgeError, match="E-PERSON"):
            gallery.enroll("", rows[0], CONTRACT)
    with pytest.raises(EmbedgeError, match="E-SPACE"):
        MilvusGallery(path, tiny_contract(DIM, space="another"))
