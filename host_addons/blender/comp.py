# SPDX-License-Identifier: GPL-3.0-or-later
"""Faceplate Comp, a node group that lays the patch over the plate, and its place in the scene's compositor."""

from collections.abc import Callable
from typing import Any

import bpy

GROUP = "Faceplate Comp"
# Key by which nodes and images are found again that a result has made.
OWN = "faceplate_of"

_NEW = bpy.app.version >= (5, 0)
# Before Blender 4.5, what grows and softens a matte has no sockets for how far: it is set in the group's own nodes.
_SOCKETS = bpy.app.version >= (4, 5)
_MIX, _GAMMA = ("ShaderNodeMix", "ShaderNodeGamma") if _NEW else ("CompositorNodeMixRGB", "CompositorNodeGamma")
# Sockets of a mix of colours: how much, of what, with what; and the result.
_MIXED_IN, _MIXED_OUT = ((0, 6, 7), 2) if _NEW else ((0, 1, 2), 0)
_MATH = "ShaderNodeMath" if _SOCKETS else "CompositorNodeMath"
_COLOR, _FLOAT, _INT = "NodeSocketColor", "NodeSocketFloat", "NodeSocketInt"
# Name, kind, default, least, most, description.
_INPUTS: tuple[tuple[str, str, Any, float, float, str], ...] = (
    ("Plate", _COLOR, (0.0, 0.0, 0.0, 1.0), 0, 0, "The frame as it is"),
    ("Patch", _COLOR, (0.0, 0.0, 0.0, 1.0), 0, 0, "The new face, of the layers"),
    ("Matte", _FLOAT, 0.0, 0.0, 1.0, "How much of the patch is used, of the layers"),
    ("Grow", _INT, 0, -100, 100, "Pixels by which the matte is made larger"),
    ("Soften", _FLOAT, 0.0, 0.0, 100.0, "Pixels by which the matte is blurred"),
    ("Mix", _FLOAT, 1.0, 0.0, 1.0, "How much of the result is seen; 0 is the plate"),
    ("Exposure", _FLOAT, 0.0, -10.0, 10.0, "Stops by which the patch is made brighter"),
    ("Gain", _COLOR, (1.0, 1.0, 1.0, 1.0), 0, 0, "What the patch is multiplied by"),
    ("Gamma", _FLOAT, 1.0, 0.01, 10.0, "Power that the patch is raised to"),
)


def own(things: Any, mark: str) -> Any:
    """The one among nodes, images or the like that an earlier result has made for the same, or None."""
    return next((thing for thing in things if thing.get(OWN) == mark), None)


def node_group() -> Any:
    """The node group; made where the file has none, and left alone where it has."""
    found = bpy.data.node_groups.get(GROUP)
    if found is not None:
        return found
    tree: Any = bpy.data.node_groups.new(GROUP, "CompositorNodeTree")
    for name, kind, default, least, most, description in _INPUTS:
        if not _SOCKETS and name in ("Grow", "Soften"):
            continue
        socket = tree.interface.new_socket(name, description=description, in_out="INPUT", socket_type=kind)
        socket.default_value = default
        if kind != _COLOR:
            socket.min_value, socket.max_value = least, most
    tree.interface.new_socket("Result", in_out="OUTPUT", socket_type=_COLOR)
    _connect(tree, tree.nodes.new("NodeGroupInput").outputs)
    tree.asset_mark()
    tree.asset_data.description = "Lays the face that Faceplate has made over the plate"
    return tree


def _connect(tree: Any, given: Any) -> None:
    grown = _add(tree, "CompositorNodeDilateErode", "Grow", given["Matte"])
    softened = _add(tree, "CompositorNodeBlur", "Soften", grown.outputs[0])
    if _SOCKETS:
        tree.links.new(given["Grow"], grown.inputs["Size"])
        tree.links.new(given["Soften"], softened.inputs["Size"])
    used = _add(tree, _MATH, "Mix", softened.outputs[0], given["Mix"])
    used.operation = "MULTIPLY"
    exposed = _add(tree, "CompositorNodeExposure", "Exposure", given["Patch"], given["Exposure"])
    gained = _mix(tree, "Gain", "MULTIPLY", None, exposed.outputs[0], given["Gain"])
    graded = _add(tree, _GAMMA, "Gamma", gained, given["Gamma"])
    _add(tree, "NodeGroupOutput", "", _mix(tree, "Result", "MIX", used.outputs[0], given["Plate"], graded.outputs[0]))


def _add(tree: Any, kind: str, label: str, *sockets: Any) -> Any:
    node = tree.nodes.new(kind)
    node.label, node.location = label, (200 * len(tree.nodes), -150 * (len(tree.nodes) % 3))
    for index, socket in enumerate(sockets):
        tree.links.new(socket, node.inputs[index])
    return node


def _mix(tree: Any, label: str, blend: str, factor: Any, *sockets: Any) -> Any:
    """A mix of two colours; all of it where there is no socket for how much. The socket of its result."""
    node = _add(tree, _MIX, label)
    node.blend_type = blend
    if _NEW:
        node.data_type = "RGBA"
    node.inputs[0].default_value = 1.0
    for index, socket in zip(_MIXED_IN, (factor, *sockets), strict=True):
        if socket is not None:
            tree.links.new(socket, node.inputs[index])
    return node.outputs[_MIXED_OUT]


def put(scene: Any, clip: bpy.types.MovieClip, images: dict[str, Any], time: Callable[[Any], None]) -> None:
    """Put a result's images and the node group into the scene's compositor, or renew them where they are.

    `time` tells a node which frames it shows. What the output shows is changed only where nothing is connected to it.
    """
    tree = tree_of(scene)

    def node(kind: str, label: str) -> Any:
        mark = f"{label} {clip.name}"
        found = own(tree.nodes, mark)
        if found is None:
            found = tree.nodes.new(kind)
            found[OWN], found.label = mark, label
            found.location = -600 + 300 * (label == GROUP), 200 - 300 * len([one for one in tree.nodes if OWN in one])
        return found

    plate, group = node("CompositorNodeMovieClip", "Plate"), node("CompositorNodeGroup", GROUP)
    plate.clip, group.node_tree = clip, group.node_tree or node_group()
    for label, image in images.items():
        shown = node("CompositorNodeImage", label)
        shown.image = image
        time(shown)
    layers = own(tree.nodes, f"Layers {clip.name}").outputs
    for socket, name in ((plate.outputs[0], "Plate"), (layers["patch"], "Patch"), (layers["matte"], "Matte")):
        tree.links.new(socket, group.inputs[name])
    output = output_of(tree)
    if not output.inputs[0].is_linked:
        tree.links.new(group.outputs[0], output.inputs[0])


def tree_of(scene: Any) -> Any:
    """The scene's compositor, empty where there was none."""
    if not _NEW:
        is_new, scene.use_nodes = scene.node_tree is None, True
        if is_new:
            scene.node_tree.nodes.clear()
        return scene.node_tree
    if scene.compositing_node_group is None:
        tree: Any = bpy.data.node_groups.new("Compositor", "CompositorNodeTree")
        tree.interface.new_socket("Image", in_out="OUTPUT", socket_type=_COLOR)
        scene.compositing_node_group = tree
    return scene.compositing_node_group


def output_of(tree: Any) -> Any:
    kind = "NodeGroupOutput" if _NEW else "CompositorNodeComposite"
    return next((node for node in tree.nodes if node.bl_idname == kind), None) or tree.nodes.new(kind)
