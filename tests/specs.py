"""Random pipelines of all shapes, for property tests."""

from __future__ import annotations

import random

from hypothesis import strategies as st

from mirepoix import Branch, Call, Cascade, Chain, Ensemble, If, Map, Reduce, Route
from mirepoix.spec import Fuse, Hedge, Judge, Pipeline

MODELS = {"a": "one", "b": "two"}
"""The models that random pipelines ask, and the provider of each."""


def pipelines(*, most: int = 8, maps: bool = True) -> st.SearchStrategy[Pipeline]:
    """Trees of at most `most` calls; without `maps` where what they run over matters."""
    calls: st.SearchStrategy[Pipeline] = st.builds(Call, model=st.sampled_from(sorted(MODELS)))

    def nest(below: st.SearchStrategy[Pipeline]) -> st.SearchStrategy[Pipeline]:
        some = st.lists(below, min_size=1, max_size=3).map(tuple)
        shapes: list[st.SearchStrategy[Pipeline]] = [
            st.tuples(some, st.randoms(use_true_random=False)).map(lambda pair: _chain(*pair)),
            st.builds(Ensemble, members=some),
            st.builds(_ensemble, some, st.integers(0, 4)),
            st.builds(Cascade, tiers=some),
            st.tuples(below, below).map(_either),
        ]
        return st.one_of(*shapes, st.builds(Map, each=below)) if maps else st.one_of(*shapes)

    return st.recursive(calls, nest, max_leaves=most)


def _chain(steps: tuple[Pipeline, ...], choice: random.Random) -> Pipeline:
    """Its steps have names; its calls refer to the step before, to any earlier one, or to none; some are optional."""
    links: list[Pipeline] = []
    for index, step in enumerate(steps):
        earlier = [f"{{{{ steps.s{before} }}}}" for before in range(index)]
        prompts = ["{{ previous }}", "{{ input }}", *earlier, " ".join(earlier) or "{{ input }}"]
        asks = {"prompt": choice.choice(prompts)} if isinstance(step, Call) else {}
        optional, name = choice.random() < 0.2, f"s{index}"
        link = step.model_copy(update=asks if optional else {**asks, "name": name})
        links.append(If(name=name, when="input", then=link) if optional else link)
    return Chain(steps=tuple(links))


def early_ensembles() -> st.SearchStrategy[Pipeline]:
    """Ensembles of three to five calls that may end before all members have; alone, or with something behind them."""
    calls = st.lists(st.builds(Call, model=st.sampled_from(sorted(MODELS))), min_size=3, max_size=5).map(tuple)
    early = st.one_of(
        st.builds(Ensemble, members=calls, quorum=st.integers(1, 3)),
        st.builds(Ensemble, members=calls, hedge=st.just(Hedge(after=1))),
    )
    return st.one_of(early, early.map(lambda ensemble: Chain(steps=(ensemble, Call(model="b")))))


def _either(pair: tuple[Pipeline, Pipeline]) -> Pipeline:
    return Route(by="complexity", to=(Branch(below=0.5, then=pair[0]), Branch(then=pair[1])))


def _ensemble(members: tuple[Pipeline, ...], kind: int) -> Pipeline:
    """One that may end early, or asks another model about its members' answers."""
    match kind:
        case 0:
            return Ensemble(members=members, hedge=Hedge(after=1))
        case 1:
            return Ensemble(members=members, reduce=Reduce(judge=Judge(model="a")), min_success=1)
        case 2:
            return Ensemble(members=members, reduce=Reduce(fuse=Fuse(model="b")), quorum=len(members))
        case _:
            return Ensemble(members=members, quorum=min(kind - 2, len(members)))
