"""An example of each command, which its help ends with. Each is a line that can be typed."""

from __future__ import annotations

from collections.abc import Mapping

EXAMPLES: Mapping[str, str] = {
    "fuseablate": "fuseablate show fusenet --input 32",
    "fuseablate quickstart": "fuseablate quickstart",
    "fuseablate list": "fuseablate list resnet",
    "fuseablate show": "fuseablate show fusenet --input 32 --set all.se=false",
    "fuseablate cost": "fuseablate cost fusenet --set fuse.op=mbconv --set fuse.kernel=5",
    "fuseablate diff": "fuseablate diff fusenet fusenet --set-b all.se=false --input 32",
    "fuseablate explore": "fuseablate explore fusenet --space search --budget macs=4.2M",
    "fuseablate profile": "fuseablate profile fusenet --input 32",
    "fuseablate train": "fuseablate train fusenet --set all.se=false --data generated --epochs 2",
    "fuseablate baseline": "fuseablate baseline --data cifar100 --data-root data --seeds 0,1,2",
    "fuseablate report": "fuseablate report se --format markdown",
    "fuseablate export": "fuseablate export resnet18:cifar --onnx net.onnx",
    "fuseablate convert": "fuseablate convert torchvision:resnet18",
    "fuseablate bench": "fuseablate bench --data generated",
    "fuseablate scores": "fuseablate scores se",
    "fuseablate study": "fuseablate study run se --data-root data --dry-run",
    "fuseablate study run": "fuseablate study run se --data-root data --dry-run",
    "fuseablate study status": "fuseablate study status se",
    "fuseablate study list": "fuseablate study list --runs runs",
    "fuseablate study rm": "fuseablate study rm se",
    "fuseablate runs": "fuseablate runs list --status interrupted",
    "fuseablate runs list": "fuseablate runs list --status interrupted",
    "fuseablate runs show": "fuseablate runs show 3e0cc708",
    "fuseablate runs rm": "fuseablate runs rm --unfinished",
    "fuseablate runs export": "fuseablate runs export se se.tar --weights",
    "fuseablate runs import": "fuseablate runs import se.tar",
    "fuseablate new": "fuseablate new op mixconv --folder parts",
    "fuseablate docs": "fuseablate docs op fuse",
    "fuseablate schema": "fuseablate schema study > study.schema.json",
    "fuseablate completion": 'eval "$(fuseablate completion bash)"',
}
