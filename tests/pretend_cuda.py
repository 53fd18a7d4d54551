"""A pretend GPU: tensors that claim to be on cuda:0 and hold their data on the CPU.

It proves, where there is no GPU, what code for one must get right:

- operations that mix devices raise ``DeviceMismatchError``;
- copies that do not wait happen as late as a GPU may let them: an upload when its stream is next
  used or waited for, a download when the host waits for it;
- ``RaceError`` is raised when two streams use the same memory and no event orders them, and when
  memory is freed while a stream other than its own may still use it;
- ``Work`` counts operations, the bytes they read and write, and how often the host waits.

Products in float16 err by as much as ``screening.sum_error`` allows, in a random direction. Square
roots are NumPy's: CUDA rounds them correctly, torch on a CPU does not.
"""

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from unittest import mock

import numpy as np
import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_flatten, tree_map

from gapmatch.similarity.screening import sum_error

torch._C._ensureCUDADeviceGuardSet()
DEVICE = torch.device("cuda", 0)
MEMORY = 8 * 2**30
aten = torch.ops.aten

WAITS = {
    aten._local_scalar_dense.default,
    aten.nonzero.default,
    aten.masked_select.default,
    aten._unique2.default,
    aten.unique_consecutive.default,
    aten.repeat_interleave.Tensor,
    aten.equal.default,
}
"""Operations whose result has a size or a value that the host must wait for."""

FACTORIES = {"empty", "full", "zeros", "ones", "arange", "tensor", "linspace", "rand", "randn"}


class DeviceMismatchError(RuntimeError):
    """Tensors of two devices met in one operation."""


class RaceError(RuntimeError):
    """Two streams, or a stream and the host, use memory in no order."""


@dataclass
class Work:
    """What was done so far."""

    operations: Counter = field(default_factory=Counter)
    bytes: Counter = field(default_factory=Counter)
    waits: Counter = field(default_factory=Counter)


class Clock(dict):
    """For each stream, up to which of its operations everything has happened before."""

    def merge(self, other):
        for stream, time in other.items():
            self[stream] = max(self.get(stream, 0), time)


class Memory:
    """An allocation: who used it last."""

    def __init__(self, gpu):
        self.gpu, self.stream = gpu, gpu.stream
        self.written = None
        self.read = {}
        self.recorded = set()

    def use(self, stream, write):
        """Let a stream use it now; raise where that is in no order with what others did."""
        others = dict(self.read) if write else {}
        if self.written:
            others[self.written[0]] = max(others.get(self.written[0], 0), self.written[1])
        for other, time in others.items():
            if other is not stream and stream.clock.get(other, 0) < time:
                kind = "writes" if write else "reads"
                raise RaceError(
                    f"{stream.name} {kind} what {other.name} uses, and waits for no event"
                )
        now = stream.clock[stream]
        if write:
            self.written, self.read = (stream, now), {}
        else:
            self.read[stream] = now

    def __del__(self):
        used = dict(self.read)
        if self.written:
            used[self.written[0]] = self.written[1]
        for other, time in used.items():
            if other is self.stream or other in self.recorded:
                continue
            if self.stream.clock.get(other, 0) < time:
                self.gpu.freed_in_use.append(f"memory of {self.stream.name}, used by {other.name}")


class Stream:
    """A queue of uploads that wait, and of downloads."""

    def __init__(self, *_, name="a stream of its own", **__):
        self.name = name
        self.clock = Clock({self: 0})
        self.uploads, self.downloads = [], []

    __hash__ = object.__hash__
    __eq__ = object.__eq__

    def tick(self):
        """Begin an operation: all that was queued before it happens first."""
        self.flush(self.uploads)
        self.clock.merge(gpu().host)
        self.clock[self] += 1

    @staticmethod
    def flush(queue, until=None):
        for copy in queue[:until]:
            copy()
        del queue[:until]

    def wait_event(self, event):
        self.flush(event.uploads)
        self.clock.merge(event.clock)

    def wait_stream(self, other):
        event = Event()
        event.record(other)
        self.wait_event(event)

    def synchronize(self, why="synchronize"):
        gpu().work.waits[why] += 1
        self.flush(self.uploads)
        self.flush(self.downloads)
        gpu().host.merge(self.clock)


class Event:
    """A place in a stream."""

    def __init__(self, *_, **__):
        self.clock, self.uploads, self.downloads = Clock(), [], []

    def record(self, stream=None):
        stream = stream or gpu().stream
        self.clock = Clock(stream.clock)
        self.clock.merge(gpu().host)
        self.uploads, self.downloads = list(stream.uploads), list(stream.downloads)

    def synchronize(self):
        gpu().work.waits["event"] += 1
        Stream.flush(self.uploads)
        Stream.flush(self.downloads)
        gpu().host.merge(self.clock)

    def query(self):
        return True


class Once:
    """Something that is done when it is first asked for."""

    def __init__(self, do):
        self.do = do

    def __call__(self):
        do, self.do = self.do, None
        if do:
            do()


class Pretended(torch.Tensor):
    """A tensor on the pretend GPU."""

    @staticmethod
    def __new__(cls, real, memory):
        made = torch.Tensor._make_wrapper_subclass(
            cls,
            real.size(),
            strides=real.stride(),
            storage_offset=real.storage_offset(),
            dtype=real.dtype,
            device=DEVICE,
        )
        made.held, made.memory = real, memory
        return made

    def __repr__(self, **_):
        return f"Pretended({self.held!r})"

    def record_stream(self, stream):
        self.memory.recorded.add(stream)

    __torch_function__ = torch._C._disabled_torch_function_impl

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return gpu().operation(func, args, kwargs or {})


def is_cuda(device):
    return device is not None and torch.device(device).type == "cuda"


class Gpu(TorchFunctionMode):
    """The pretend GPU, while it is entered."""

    def __init__(self, errs=True, memory=MEMORY):
        super().__init__()
        self.work = Work()
        self.host = Clock()
        self.stream = self.default = Stream(name="the default stream")
        self.pinned = {}
        self.freed_in_use = []
        self.errs, self.memory_bytes = errs, memory
        self.noise = torch.Generator().manual_seed(0)

    # What runs in torch's own functions.

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        name = getattr(func, "__name__", "")
        if name in FACTORIES and is_cuda(kwargs.get("device")):
            del kwargs["device"]
            return self.allocated(func(*args, **kwargs))
        if kwargs.pop("pin_memory", False):
            return self.pin(func(*args, **kwargs))
        if name == "pin_memory":
            return self.pin(args[0].clone())
        if name in ("to", "cuda", "cpu") and isinstance(args[0], torch.Tensor):
            return self.moved(func, name, args, kwargs)
        if name == "tolist" and isinstance(args[0], Pretended):
            return self.download(args[0]).tolist()
        return func(*args, **kwargs)

    def moved(self, func, name, args, kwargs):
        """Answer ``to``, ``cuda`` and ``cpu``."""
        tensor, *rest = args
        device = kwargs.pop("device", None) or (DEVICE if name == "cuda" else None)
        device = torch.device("cpu") if name == "cpu" else device
        if device is None and rest and not isinstance(rest[0], (torch.dtype, torch.Tensor)):
            device = rest.pop(0)
        if device is None or is_cuda(device) == isinstance(tensor, Pretended):
            return func(tensor, *rest, **kwargs) if rest or kwargs else tensor
        late = kwargs.pop("non_blocking", False)
        if isinstance(tensor, Pretended):
            return func(self.download(tensor), *rest, **kwargs) if rest else self.download(tensor)
        source = func(tensor, *rest, **kwargs) if rest or kwargs else tensor
        new = self.allocated(torch.empty_like(source))
        return self.copy(new, source, late)

    # Memory.

    def allocated(self, real):
        return Pretended(real, Memory(self))

    def pin(self, tensor):
        self.pinned[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    def is_pinned(self, tensor):
        return tensor.untyped_storage().data_ptr() in self.pinned

    def download(self, tensor):
        """Copy to the host, which waits."""
        self.stream.tick()
        tensor.memory.use(self.stream, write=False)
        self.work.bytes["download"] += tensor.nbytes
        self.stream.synchronize("download")
        return tensor.held.clone()

    def copy(self, to, source, late):
        """Copy between devices, at once or as late as a GPU may."""
        stream = self.stream
        if isinstance(to, Pretended):
            stream.clock.merge(self.host)
            stream.clock[stream] += 1
            to.memory.use(stream, write=True)
            self.work.bytes["upload"] += to.nbytes
            there, memory = to.held, to.memory
            stream.uploads.append(Once(lambda: (memory, there.copy_(source))))
            if not (late and self.is_pinned(source)):
                stream.synchronize("upload of memory that is not pinned")
            return to
        stream.tick()
        source.memory.use(stream, write=False)
        self.work.bytes["download"] += source.nbytes
        now = source.held.clone()
        # Until it is there, what stands there is nothing to rely on.
        to.fill_(to.new_tensor(77).item())
        stream.downloads.append(Once(lambda: to.copy_(now)))
        if not (late and self.is_pinned(to)):
            stream.synchronize("download")
        return to

    # Operations.

    def operation(self, func, args, kwargs):
        flat, _ = tree_flatten((args, kwargs))
        tensors = [one for one in flat if isinstance(one, torch.Tensor)]
        mine = [one for one in tensors if isinstance(one, Pretended)]
        if func is aten.copy_.default and len(mine) < len(tensors) and tensors[1].dim():
            return self.copy(
                args[0], args[1], kwargs.get("non_blocking", len(args) > 2 and args[2])
            )
        # Like torch: numbers may come from the CPU, and so may indices.
        foreign = [one for one in tensors if not isinstance(one, Pretended) and one.dim()]
        if foreign:
            raise DeviceMismatchError(f"{func}: {[tuple(one.shape) for one in foreign]} on the CPU")
        if func is aten._to_copy.default and kwargs.get("device") == torch.device("cpu"):
            return self.download(args[0])
        stream = self.stream
        stream.tick()
        written = self.written(func, args, kwargs)
        for one in mine:
            one.memory.use(stream, write=any(one is other for other in written))
        indices = args[1] if func is aten.index.Tensor else ()
        if func in WAITS or any(one is not None and one.dtype == torch.bool for one in indices):
            stream.synchronize(str(func))
        bare = lambda one: one.held if isinstance(one, Pretended) else one  # noqa: E731
        if "device" in kwargs:
            kwargs = {**kwargs, "device": None}
        real = self.computed(func, tree_map(bare, args), tree_map(bare, kwargs))
        owners = {one.held.untyped_storage().data_ptr(): one for one in mine if one.nbytes}
        self.count(func, mine, real, owners)
        if written:
            return written[0] if len(written) == 1 else tuple(written)
        return tree_map(lambda one: self.wrapped(one, owners), real)

    @staticmethod
    def written(func, args, kwargs):
        """Return the tensors that an operation writes to, among its arguments."""
        found = []
        for place, argument in enumerate(func._schema.arguments):
            if argument.alias_info and argument.alias_info.is_write:
                value = kwargs.get(argument.name, args[place] if place < len(args) else None)
                found.append(value)
        return [one for one in found if isinstance(one, Pretended)]

    def wrapped(self, real, owners):
        if not isinstance(real, torch.Tensor):
            return real
        owner = owners.get(real.untyped_storage().data_ptr())
        return Pretended(real, owner.memory) if owner is not None else self.allocated(real)

    def count(self, func, mine, real, owners):
        results = [one for one in tree_flatten(real)[0] if isinstance(one, torch.Tensor)]
        views = func._schema.returns and any(
            one.alias_info and not one.alias_info.is_write for one in func._schema.returns
        )
        if views or func in (aten._unsafe_view.default, aten.detach.default):
            return
        if "empty" in func.__name__:
            return
        self.work.operations[func.__name__] += 1
        moved = sum(one.nbytes for one in mine)
        moved += sum(
            one.nbytes for one in results if one.untyped_storage().data_ptr() not in owners
        )
        self.work.bytes[func.__name__] += moved

    @contextlib.contextmanager
    def off_the_books(self):
        """Count nothing meanwhile."""
        before, self.work = self.work, Work()
        try:
            yield
        finally:
            self.work = before

    def computed(self, func, args, kwargs):
        if func in (aten.mm.dtype_out, aten.mm.dtype):
            product = self.product(*args[:2])
            return kwargs["out"].copy_(product) if "out" in kwargs else product
        if func is aten.sqrt.default and args[0].dtype == torch.float64:
            return torch.from_numpy(np.sqrt(args[0].numpy()))
        return func(*args, **kwargs)

    def product(self, left, right):
        exact = left.double() @ right.double()
        if self.errs:
            lengths = left.double().norm(dim=1)[:, None] * right.double().norm(dim=0)
            way = torch.rand(exact.shape, generator=self.noise, dtype=torch.float64) * 1.98 - 0.99
            exact += way * lengths * sum_error(left.shape[1], fused=True)
        return exact.float()

    def run(self, kernel, programs, arguments, sizes):
        """Run a Triton kernel in the interpreter."""
        flat = [one for one in arguments if isinstance(one, torch.Tensor)]
        foreign = [one for one in flat if not isinstance(one, Pretended)]
        if foreign:
            raise DeviceMismatchError(
                f"{kernel}: {[tuple(one.shape) for one in foreign]} on the CPU"
            )
        self.stream.tick()
        memories = {id(one.memory): one for one in flat}
        for one in memories.values():
            one.memory.use(self.stream, write=True)
        name = kernel.__name__
        self.work.operations[name] += 1
        self.work.bytes[name] += sum({id(one.held): one.nbytes for one in flat}.values())
        bare = [one.held if isinstance(one, Pretended) else one for one in arguments]
        kernel[(programs,)](*bare, **sizes)

    # torch.cuda.

    @contextlib.contextmanager
    def using(self, stream):
        before, self.stream = self.stream, stream
        try:
            yield
        finally:
            self.stream = before

    def replaced(self):
        """Return what stands in for attributes of ``torch.cuda``."""
        return {
            "is_available": lambda: True,
            "current_device": lambda: 0,
            "device_count": lambda: 1,
            "get_device_name": lambda *_: "a pretend GPU",
            "get_device_capability": lambda *_: (9, 0),
            "mem_get_info": lambda *_: (self.memory_bytes, self.memory_bytes),
            "memory_reserved": lambda *_: 0,
            "memory_allocated": lambda *_: 0,
            "Stream": Stream,
            "Event": Event,
            "stream": self.using,
            "current_stream": lambda *_: self.stream,
            "default_stream": lambda *_: self.default,
            "synchronize": lambda *_: self.stream.synchronize(),
        }


_entered = []


def gpu():
    """Return the pretend GPU that was entered last."""
    return _entered[-1]


@contextlib.contextmanager
def pretend_gpu(errs=True, memory=MEMORY):
    """Let torch find a GPU; yield it.

    Args:
        errs: Whether products in float16 err as much as is allowed.
        memory: Bytes that the card says are free.
    """
    one = Gpu(errs, memory)
    _entered.append(one)
    with contextlib.ExitStack() as patches:
        for name, value in one.replaced().items():
            patches.enter_context(mock.patch.object(torch.cuda, name, value))
        from gapmatch.similarity.gpu import triton_products

        patches.enter_context(mock.patch.object(triton_products, "run", one.run))
        patches.enter_context(one)
        yield one
    if one.freed_in_use:
        raise RaceError(f"freed too early: {one.freed_in_use[0]}")
