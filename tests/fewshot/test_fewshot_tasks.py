"""Where tasks come from: image folders and archives, glyphs, tables, sine waves."""

import csv
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from autometa.errors import InputError
from autometa.fewshot import (
    SineEpisodes,
    StuntEpisodes,
    classes_of_arrays,
    episodes_at,
    glyphs,
    kmeans,
    read_image_folder,
    read_mini_imagenet,
    read_omniglot,
    read_tiered_imagenet,
)
from autometa.metatraining import generator_of


def write(file: Path, value: int, *, paper: int = 255, size: int = 10) -> None:
    """An image of one colour with a margin of paper."""
    file.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((size, size), paper, dtype=np.uint8)
    pixels[2:-2, 2:-2] = value
    Image.fromarray(pixels).save(file)


def alphabet(folder: Path) -> None:
    for number, character in enumerate(("Greek/character01", "Greek/character02", "Latin/character01")):
        for drawer in range(2):
            write(folder / character / f"{number}_{drawer}.png", 0)


def test_omniglot_is_read_from_a_folder_and_from_an_archive_and_ink_is_one(tmp_path: Path) -> None:
    alphabet(tmp_path / "images_background")
    with zipfile.ZipFile(tmp_path / "archive.zip", "w") as archive:
        for file in sorted((tmp_path / "images_background").rglob("*.png")):
            archive.write(file, file.relative_to(tmp_path))
    folder, archived = read_omniglot(tmp_path / "images_background"), read_omniglot(tmp_path / "archive.zip")
    assert folder.names == ("Greek/character01", "Greek/character02", "Latin/character01") == archived.names
    assert folder.groups == ("Greek", "Greek", "Latin")
    assert folder.items.shape == (6, 1, 28, 28)
    assert torch.equal(folder.items, archived.items)
    assert folder.gather(torch.tensor([0]))[0, 0, 14, 14] == 1.0
    assert folder.gather(torch.tensor([0]))[0, 0, 0, 0] == 0.0


def test_white_ink_on_black_stays_as_it_is(tmp_path: Path) -> None:
    write(tmp_path / "a" / "c" / "1.png", 255, paper=0)
    assert read_omniglot(tmp_path, size=10).items[0, 0, 5, 5] == 255


def test_folders_of_images_may_have_groups(tmp_path: Path) -> None:
    write(tmp_path / "flat" / "cat" / "1.png", 7)
    write(tmp_path / "flat" / "dog" / "1.jpg", 7)
    write(tmp_path / "deep" / "animals" / "cat" / "1.png", 7)
    assert read_image_folder(tmp_path / "flat", size=8).names == ("cat", "dog")
    deep = read_image_folder(tmp_path / "deep", size=8, channels=1)
    assert deep.groups == ("animals",)
    assert deep.shape == (1, 8, 8)


def test_split_files_say_which_images_belong_to_a_part(tmp_path: Path) -> None:
    for name in ("n1_1.png", "n1_2.png", "n2_1.png"):
        write(tmp_path / "images" / name, 3)
    with (tmp_path / "val.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["filename", "label"], ["n1_1.png", "n1"], ["n1_2.png", "n1"]])
    found = read_mini_imagenet(tmp_path, "val", size=12)
    assert found.names == ("n1",)
    assert found.items.shape == (2, 3, 12, 12)
    with pytest.raises(InputError, match=r"no .*test\.csv"):
        read_mini_imagenet(tmp_path, "test")


def test_superclasses_become_groups(tmp_path: Path) -> None:
    write(tmp_path / "train" / "n1" / "a.png", 3)
    write(tmp_path / "n2" / "b.png", 3)
    (tmp_path / "train.csv").write_text("class,superclass\nn1,s1\nn2,s2\n")
    found = read_tiered_imagenet(tmp_path, "train", size=8)
    assert dict(zip(found.names, found.groups, strict=True)) == {"n1": "s1", "n2": "s2"}
    (tmp_path / "train.csv").write_text("n3,s1\n")
    with pytest.raises(InputError, match="Class n3"):
        read_tiered_imagenet(tmp_path, "train")


def test_what_is_no_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "1.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"a/b/1\.png cannot be read"):
        read_omniglot(tmp_path)
    with pytest.raises(InputError, match="no folder or zip archive"):
        read_omniglot(tmp_path / "missing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="alphabet/character/image"):
        read_omniglot(tmp_path / "empty")
    with pytest.raises(InputError, match="class/image"):
        read_image_folder(tmp_path / "empty", size=8)


def test_arrays_become_classes_and_rare_ones_can_be_left_out() -> None:
    found = classes_of_arrays(np.arange(10).reshape(5, 2), ["b", "a", "b", "c", "a"], at_least=2)
    assert found.names == ("a", "b")
    assert found.items.tolist() == [[2.0, 3.0], [8.0, 9.0], [0.0, 1.0], [4.0, 5.0]]
    with pytest.raises(InputError, match="2 items and 1 labels"):
        classes_of_arrays(np.zeros((2, 1)), [1])
    with pytest.raises(InputError, match="9 items or more"):
        classes_of_arrays(np.zeros((2, 1)), [1, 1], at_least=9)


def test_glyphs_are_many_repeatable_and_differ_between_drawers() -> None:
    found, again = glyphs(n_drawers=2), glyphs(n_drawers=2)
    assert len(found) >= 1000
    assert len(set(found.groups)) > 10
    assert torch.equal(found.items, again.items)
    ink = found.items.float().mean((1, 2, 3))
    assert float(ink.min()) > 1.0
    assert not torch.equal(found.items[::2], found.items[1::2])
    assert not torch.equal(found.items, glyphs(n_drawers=2, seed=1).items)


def test_glyphs_of_a_class_are_nearer_to_each_other_than_to_others() -> None:
    found = glyphs(n_drawers=3).take(range(0, 600, 20))
    items = found.items.float().flatten(1)
    distances = torch.cdist(items, items)
    same = torch.eye(30, dtype=torch.bool).repeat_interleave(3, 0).repeat_interleave(3, 1)
    own = distances[same & ~torch.eye(90, dtype=torch.bool)].mean()
    assert float(own) < 0.85 * float(distances[~same].mean())


def test_sine_waves_have_the_papers_ranges() -> None:
    episodes = episodes_at(SineEpisodes(50, 50), 200, seed=0, step=0)
    amplitude = torch.cat([episodes.support.y, episodes.y], 1).abs().amax(1)
    assert 0.0 < float(amplitude.min()) < 0.5
    assert 4.5 < float(amplitude.max()) <= 5.0
    assert float(episodes.x.min()) >= -5.0
    assert float(episodes.x.max()) <= 5.0


def test_kmeans_finds_clouds_and_leaves_no_cluster_empty() -> None:
    generator = generator_of(0)
    centres = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    truth = torch.arange(3).repeat_interleave(20)
    clusters = kmeans(centres[truth] + 0.1 * torch.randn(60, 2, generator=generator), 3, generator_of(4))
    assert len(set(zip(truth.tolist(), clusters.tolist(), strict=True))) == 3
    same = torch.zeros(12, 2)
    assert kmeans(same, 4, generator_of(0)).bincount(minlength=4).min() >= 1


def test_stunt_hides_the_columns_that_made_the_labels() -> None:
    """With two independent informative columns, labels made of one tell nothing about the shuffled values of it."""
    generator = generator_of(0)
    hidden = torch.randint(2, (400, 2), generator=generator).float()
    x = hidden.repeat_interleave(2, dim=1) * 10 + torch.randn(400, 4, generator=generator)
    source = StuntEpisodes(x, n_way=2, n_shot=5, n_query=20, least=0.25, most=0.25)
    told = []
    for step in range(40):
        episodes = episodes_at(source, 1, seed=0, step=step)
        y = episodes.y[0].float()
        correlations = torch.stack(
            [torch.corrcoef(torch.stack([episodes.x[0, :, c], y]))[0, 1].abs() for c in range(4)]
        )
        told.append(correlations.sort(descending=True).values)
    mean = torch.stack(told).mean(0)
    assert float(mean[0]) > 0.9  # the twin of the column that was clustered still tells
    assert float(mean[1]) < 0.5  # and the column itself does not


def test_columns_of_a_group_are_drawn_together() -> None:
    x = torch.randn(100, 4, generator=generator_of(0))
    source = StuntEpisodes(x, 2, 1, 1, groups=torch.tensor([0, 0, 0, 1]))
    drawn = {tuple(source._columns(generator_of(seed)).tolist()) for seed in range(30)}
    assert drawn == {(0, 1, 2), (3,)}


def test_too_few_rows_are_refused() -> None:
    with pytest.raises(InputError, match="need 40 rows, but there are 10"):
        StuntEpisodes(torch.zeros(10, 2), 10, 1, 3)
