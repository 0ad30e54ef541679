"""A small network in DeepFaceLab's layout, trained for some seconds on two faces and exported under its own names.

One encoder and one inter for both people, a decoder for each; the morph value goes from the plate's person to the
model's. Pictures are (n, SIDE, SIDE, 3), BGR, [0, 1], as the network takes and gives them; masks (n, SIDE, SIDE, 1).
"""

# pyright: reportMissingImports=false
# PyTorch is installed where somebody wants this, and nowhere else.

from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import nn
from torch.nn import functional

from engine.models.catalogue import canonical_mesh
from engine.swappers.templates import picture_to_template

SIDE = 64
STEPS, BATCH = 250, 4
INPUTS = ("in_face:0", "morph_value:0")
OUTPUTS = ("out_face_mask:0", "out_celeb_face:0", "out_celeb_face_mask:0")


class Chip(NamedTuple):
    """A face as the network's template has it, (SIDE, SIDE, 3) BGR, and its oval (SIDE, SIDE), both [0, 1]."""

    picture: np.ndarray
    mask: np.ndarray


def chip(picture: np.ndarray, mesh: np.ndarray) -> Chip:
    """Cut a face out of a picture (h, w, 3), RGB in the model view."""
    matrix = picture_to_template(mesh, "dfl_whole_face", SIDE)
    # OpenCV counts pixels from their centres.
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    scale = float(np.hypot(*matrix[0, :2]))
    soft = cv2.GaussianBlur(picture, (0, 0), max(0.35 / scale, 0.01))
    face = cv2.warpAffine(soft, matrix, (SIDE, SIDE), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    oval = np.zeros(picture.shape[:2], np.float32)
    cv2.fillPoly(oval, [np.rint(mesh[canonical_mesh().oval, :2]).astype(np.int32)], 1.0)
    mask = cv2.warpAffine(cv2.GaussianBlur(oval, (0, 0), 1.0 / scale), matrix, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    return Chip(np.clip(face, 0.0, 1.0)[..., ::-1].copy(), np.clip(mask, 0.0, 1.0))


class Decoder(nn.Module):
    """From the code to a face (n, 3, SIDE, SIDE) and its mask (n, 1, SIDE, SIDE)."""

    def __init__(self) -> None:
        super().__init__()
        layers, before = [], 32
        for channels in (32, 24, 12):
            # Sub-pixels, as DeepFaceLab's decoders have them.
            layers += [nn.Conv2d(before, 4 * channels, 3, padding=1), nn.PixelShuffle(2), nn.LeakyReLU(0.1)]
            before = channels
        self.up = nn.Sequential(*layers)
        self.out = nn.Conv2d(before, 4, 3, padding=1)

    def forward(self, code: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        made = torch.sigmoid(self.out(self.up(code)))
        return made[:, :3], made[:, 3:]


class Dfm(nn.Module):
    """The whole network; see this module."""

    def __init__(self) -> None:
        super().__init__()
        down, before = [], 3
        for channels in (12, 24, 48):
            down += [nn.Conv2d(before, channels, 3, stride=2, padding=1), nn.LeakyReLU(0.1)]
            before = channels
        self.encoder = nn.Sequential(*down, nn.Flatten(), nn.Linear(48 * 64, 64))
        self.inter = nn.Sequential(nn.Linear(64, 32 * 64), nn.Unflatten(1, (32, 8, 8)), nn.LeakyReLU(0.1))
        self.target, self.celeb = Decoder(), Decoder()

    def both(self, picture: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """The face and the mask of the plate's person and of the model's, of pictures (n, 3, SIDE, SIDE)."""
        code = self.inter(self.encoder(picture))
        return [self.target(code), self.celeb(code)]

    def forward(self, face: torch.Tensor, morph: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        (own, own_mask), (celeb, celeb_mask) = self.both(face.permute(0, 3, 1, 2))
        made = [own_mask, morph * celeb + (1 - morph) * own, celeb_mask]
        return tuple(one.permute(0, 2, 3, 1) for one in made)


def train(target: Chip, celeb: Chip) -> Dfm:
    """Teach a network to give each person's face back from warped pictures of it, by that person's decoder."""
    torch.manual_seed(0)
    # The same bits on every machine of a kind, and no waiting for threads that others hold up.
    torch.set_num_threads(1)
    network = Dfm()
    optimiser = torch.optim.Adam(network.parameters(), 2e-3)
    faces = [torch.from_numpy(np.dstack([*one])).permute(2, 0, 1).contiguous() for one in (target, celeb)]
    for _ in range(STEPS):
        loss = torch.zeros(())
        for person, face in enumerate(faces):
            seen, wanted = _warped(face)
            made, mask = network.both(seen)[person]
            loss = loss + (made - wanted[:, :3]).abs().mean() + 0.3 * (mask - wanted[:, 3:]).abs().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval()


def _warped(face: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A batch of the face, turned, moved and scaled a little, and the same bent and tinted: what is seen of it."""
    turn, scale = 0.15 * (torch.rand(BATCH) - 0.5), 1 + 0.1 * (torch.rand(BATCH) - 0.5)
    shift = 0.06 * (torch.rand(BATCH, 2, 1) - 0.5)
    cosine, sine = scale * torch.cos(turn), scale * torch.sin(turn)
    matrix = torch.stack([torch.stack([cosine, -sine], 1), torch.stack([sine, cosine], 1)], 1)
    grid = functional.affine_grid(torch.cat([matrix, shift], 2), [BATCH, 4, SIDE, SIDE], align_corners=False)
    wanted = functional.grid_sample(face.expand(BATCH, -1, -1, -1), grid, padding_mode="border", align_corners=False)
    bend = functional.interpolate(0.08 * (torch.rand(BATCH, 2, 5, 5) - 0.5), SIDE, mode="bicubic").permute(0, 2, 3, 1)
    seen = functional.grid_sample(
        face[:3].expand(BATCH, -1, -1, -1), grid + bend, padding_mode="border", align_corners=False
    )
    return (seen * (0.8 + 0.4 * torch.rand(BATCH, 3, 1, 1))).clamp(0, 1), wanted


def export(network: Dfm, path: Path) -> None:
    """Write the network as DeepFaceLab does: its names, NHWC, any number of faces."""
    example = torch.zeros(1, SIDE, SIDE, 3), torch.ones(1)
    # PyTorch's newer exporter wants a package of its own; this one needs ONNX alone.
    torch.onnx.export(
        network,
        example,
        str(path),
        input_names=list(INPUTS),
        output_names=list(OUTPUTS),
        dynamic_axes={name: {0: "N"} for name in (INPUTS[0], *OUTPUTS)},
        opset_version=17,
        dynamo=False,
    )


def run(network: Dfm, picture: np.ndarray, morph: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What PyTorch makes of one picture: the target's mask, the face and its mask."""
    with torch.no_grad():
        results = network(torch.from_numpy(picture[None]), torch.tensor([morph]))
    return tuple(one[0].numpy() for one in results)
