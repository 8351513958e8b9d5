"""Writes the published schemas of the resources in envoy/istio/ to OUT/<Kind>.json.

Usage: schemas.py WHEELS OUT, with pydantic importable. WHEELS holds the two packages of
scripts/pins/schemas.txt, neither of which is installed:

- cloudcoil-models-istio: pydantic models generated from Istio's resource definitions. They need a
  client library and a newer Python than Debian has, but only for talking to a cluster; with
  stand-ins for that library the models load anywhere, and pydantic says what they accept.
- kubernetes-validate: Kubernetes' own definitions as JSON Schema.
"""

import glob
import importlib
import json
import os
import sys
import types
import typing
import zipfile

import pydantic

ISTIO = {
    "extensions.v1alpha1": ["TrafficExtension", "WasmPlugin"],
    "security.v1": ["PeerAuthentication"],
}
KUBERNETES_VERSION = "v1.37.0"
KUBERNETES = {
    "io.k8s.api.core.v1": ["Namespace", "PersistentVolumeClaim", "Service", "ServiceAccount"],
    "io.k8s.api.apps.v1": ["Deployment"],
}


class Model(pydantic.BaseModel):
    """A field that the definition does not name is an error, as it is for the API server."""

    model_config = pydantic.ConfigDict(extra="forbid", populate_by_name=False)


class Metadata(Model):
    """The part of ObjectMeta that a person writes."""

    name: str
    namespace: typing.Optional[str] = None
    labels: typing.Optional[typing.Dict[str, str]] = None
    annotations: typing.Optional[typing.Dict[str, str]] = None


def stand_ins():
    """The client library's names, as far as the models use them while they load."""

    class Builder:
        def __class_getitem__(cls, _):
            return cls

    names = {
        "cloudcoil.apimachinery": {"ObjectMeta": Metadata},
        "cloudcoil.resources": {"Resource": Model},
        "cloudcoil.pydantic": {
            "BaseModel": Model,
            "UNSET": object(),
            "Never": typing.NoReturn,
            "Self": typing.Any,
            **{
                name: Builder
                for name in (
                    "BaseBuilder",
                    "BaseModelBuilder",
                    "BuilderContextBase",
                    "GenericListBuilder",
                    "ListBuilderContext",
                )
            },
        },
    }
    for name, members in names.items():
        module = types.ModuleType(name)
        vars(module).update(members)
        sys.modules[name] = module
    Metadata.Builder = Metadata.BuilderContext = Builder


def istio(wheel):
    """One JSON Schema for each resource of ISTIO."""
    stand_ins()
    unpacked = wheel + ".unpacked"
    zipfile.ZipFile(wheel).extractall(unpacked)
    # The packages' own __init__.py files are left out: they need that newer Python.
    for package in ("cloudcoil", "cloudcoil.models", "cloudcoil.models.istio"):
        module = types.ModuleType(package)
        module.__path__ = [os.path.join(unpacked, *package.split("."))]
        sys.modules[package] = module
    for module, kinds in ISTIO.items():
        loaded = importlib.import_module("cloudcoil.models.istio." + module)
        for kind in kinds:
            schema = getattr(loaded, kind).model_json_schema(by_alias=True)
            # The models give these two a default; in a file they must be there.
            schema["required"] = sorted({"apiVersion", "kind", "metadata", *schema.get("required", [])})
            yield kind, schema


def references(node):
    """The names of the definitions that a schema refers to."""
    if isinstance(node, dict):
        if "$ref" in node:
            yield node["$ref"].rsplit("/", 1)[1]
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def kubernetes(wheel):
    """One self-contained JSON Schema for each resource of KUBERNETES."""
    path = f"kubernetes_validate/kubernetes-json-schema/{KUBERNETES_VERSION}-local-strict/_definitions.json"
    text = zipfile.ZipFile(wheel).read(path).decode()
    all_definitions = json.loads(text.replace('"/api/_definitions.json#', '"#'))["$defs"]
    for group, kinds in KUBERNETES.items():
        for kind in kinds:
            wanted, definitions = [f"{group}.{kind}"], {}
            while wanted:
                name = wanted.pop()
                if name not in definitions:
                    definitions[name] = all_definitions[name]
                    wanted.extend(references(definitions[name]))
            yield kind, {
                "$ref": f"#/$defs/{group}.{kind}",
                "required": ["apiVersion", "kind", "metadata"],
                "$defs": definitions,
            }


def main(wheels, out):
    os.makedirs(out, exist_ok=True)
    (istio_wheel,) = glob.glob(wheels + "/cloudcoil_models_istio-*.whl")
    (kubernetes_wheel,) = glob.glob(wheels + "/kubernetes_validate-*.whl")
    for source in (istio(istio_wheel), kubernetes(kubernetes_wheel)):
        for kind, schema in source:
            with open(f"{out}/{kind}.json", "w", encoding="utf-8") as file:
                json.dump(schema, file, indent=1)


if __name__ == "__main__":
    main(*sys.argv[1:])
