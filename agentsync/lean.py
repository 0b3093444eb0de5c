"""What the gates use instead of costly standard modules: every commit of every agent pays for an import.

`typing` costs 7 ms and `collections` 2 ms of a 10 ms start, so records that gates read are tuples made
here. A type checker sees `typing.NamedTuple`.
"""

from __future__ import annotations

TYPE_CHECKING = False

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:

    class _NamedTupleMeta(type):
        def __new__(cls, name, bases, namespace):
            if not bases:
                return super().__new__(cls, name, bases, namespace)
            fields = tuple(namespace.get("__annotations__", ()))
            defaults = {field: namespace.pop(field) for field in fields if field in namespace}
            body = {**namespace, "__slots__": (), "_fields": fields, "_defaults": defaults}
            for index, field in enumerate(fields):
                body[field] = property(lambda self, i=index: tuple.__getitem__(self, i))
            return type.__new__(_TupleMeta, name, (_Tuple,), body)

    class _TupleMeta(type):
        pass

    class _Tuple(tuple, metaclass=_TupleMeta):
        __slots__ = ()
        _fields = ()

        def __new__(cls, *values, **named):
            if not named and len(values) == len(cls._fields):
                return tuple.__new__(cls, values)
            given = dict(zip(cls._fields, values, strict=False))
            if len(values) > len(cls._fields) or not named.keys() <= set(cls._fields) - given.keys():
                raise TypeError(f"{cls.__name__} takes {cls._fields}")
            merged = {**cls._defaults, **given, **named}
            missing = [field for field in cls._fields if field not in merged]
            if missing:
                raise TypeError(f"{cls.__name__} needs {missing}")
            return tuple.__new__(cls, [merged[field] for field in cls._fields])

        def _replace(self, **changes):
            return type(self)(**{**self._asdict(), **changes})

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in self._asdict().items())})"

    class NamedTuple(metaclass=_NamedTupleMeta):
        pass
