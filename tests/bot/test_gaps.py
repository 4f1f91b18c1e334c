"""`/tutor gaps`: what nobody could answer, the same problem once, for mentors alone."""

from __future__ import annotations

import pytest
from study_group import POST, SLUG, StudyGroup, idle, labels, shown, until

from bot.gaps import clustered
from bot.learned import Gap
from bot.local.model import Interaction, Message, User
from bot.local.world import GUILD_ID
from bot.locale import say
from bot.tutor import Tutor
from knowledge.language import Language
from knowledge.search import Searcher


def flux(node: int) -> str:
    return (
        f'Traceback (most recent call last):\n  File "/home/somebody/lab.py", line {node}, in f\n'
        f"LabError: the zymurgy of node {node} is off"
    )


CLOSED = "Traceback (most recent call last):\nKettleError: a brewing lid cannot be pickled"


async def kept(group: StudyGroup) -> tuple[Gap, ...]:
    return await group.bot.desk.learned.gaps(GUILD_ID)


async def opened(group: StudyGroup, *, locale: str = "en-US", user: User | None = None) -> Message:
    return await group.told(group.slash("tutor gaps", locale=locale, user=user))


async def turned(group: StudyGroup, page: Message, name: str) -> Interaction:
    before = shown(page)
    pressed = group.press(page, f"tutor:gaps:{name}")
    await until(lambda: shown(page) != before)
    await idle()
    return pressed


async def test_an_unanswered_traceback_is_kept_where_that_is_allowed(group: StudyGroup) -> None:
    group.say(flux(1))
    await group.silence()
    assert await kept(group) == ()

    await group.allow(store_posts=True)
    post = group.say(flux(2))
    await group.silence()

    [gap] = await kept(group)
    assert (gap.source_id, gap.asker_id) == (post.id, group.learner.id)
    assert gap.error == "LabError: the zymurgy of node 2 is off"
    assert "somebody" not in gap.text and "lab.py" in gap.text


async def test_chat_and_answered_posts_are_not_kept(group: StudyGroup) -> None:
    await group.allow(store_posts=True)
    group.say("see you all tomorrow at the library")
    group.say(POST)
    await group.answer()
    await group.silence(1)

    assert await kept(group) == ()


async def test_whoever_asks_and_gets_no_sure_answer_is_kept_too(group: StudyGroup) -> None:
    await group.allow(store_posts=True)
    group.slash("explain", text="why is the zymurgy of my kettle off today?")
    await group.answer()

    [gap] = await kept(group)
    assert gap.error is None and "zymurgy" in gap.text


async def test_a_post_that_gets_its_answer_or_goes_is_kept_no_more(group: StudyGroup) -> None:
    await group.allow(store_posts=True)
    first, second = group.say(flux(1)), group.say(flux(2), author=group.friend)
    await group.silence()
    assert len(await kept(group)) == 2

    group.world.edit(first, {"content": POST})
    await group.answer()
    assert [gap.source_id for gap in await kept(group)] == [second.id]

    group.world.delete(second)
    await idle()
    await group.silence(1)
    assert await kept(group) == ()


async def test_the_same_problem_is_one_line_and_the_most_frequent_comes_first(
    group: StudyGroup,
) -> None:
    await group.allow(store_posts=True)
    group.say(CLOSED, author=group.friend)
    for number, author in enumerate((group.learner, group.friend, group.friend)):
        group.say(flux(number + 3), author=author)
    await group.silence()
    page = await opened(group)

    assert page.ephemeral
    names = [field["name"] for field in page.embeds[0]["fields"]]
    assert [name[:13] for name in names] == ["1. LabError: ", "2. KettleErro"]
    assert say(Language.EN, "gaps.count", posts=3, people=2) in shown(page)
    assert say(Language.EN, "gaps.count", posts=1, people=1) in shown(page)
    assert "somebody" not in shown(page) and "lab.py" in shown(page)
    nearest = say(Language.EN, "gaps.nearest", entry="").strip()
    assert shown(page).count(nearest) == 2
    assert labels(page) == ["Teach 1", "Teach 2"]


async def test_what_did_not_help_is_on_the_list_with_what_it_really_was(
    group: StudyGroup,
) -> None:
    await group.allow(store_posts=True)
    group.say(POST)
    answer = await group.answer()
    await group.told(
        await group.fill_fields(group.press(answer, "tutor:vote:down"), text="a stale cache")
    )
    page = await opened(group)

    assert say(Language.EN, "gaps.remark", remark="`a stale cache`") in shown(page)
    assert SLUG in shown(page)
    assert say(Language.EN, "gaps.votes", up=0, down=1) in shown(page)


@pytest.mark.parametrize("language", Language)
async def test_pages_are_turned_in_place(group: StudyGroup, language: Language) -> None:
    await group.allow(store_posts=True)
    learned = group.bot.desk.learned
    words = ("zebra stripes", "copper kettle", "paper lantern", "violin strings", "rain gauge")
    for number, thing in enumerate(words):
        error = f"{thing.title().replace(' ', '')}Error: {thing} not here"
        await learned.note(Gap(number + 1, GUILD_ID, 9, Language.EN, error, error))
    page = await opened(group, locale=language.value)
    assert say(language, "gaps.page", page=1, pages=2) in shown(page)
    assert labels(page)[-1] == say(language, "button.next") and len(labels(page)) == 4

    await turned(group, page, "next")
    assert len(page.embeds[0]["fields"]) == 2
    assert say(Language.EN, "gaps.page", page=2, pages=2) in shown(page)
    assert labels(page)[-1] == say(Language.EN, "button.back")


async def test_who_may_not_manage_messages_is_refused_in_words(group: StudyGroup) -> None:
    refused = await opened(group, user=group.friend, locale="zh-CN")

    assert refused.ephemeral
    assert refused.content == say(Language.ZH, "trouble.not_allowed.mentors")


async def test_an_empty_list_says_why_it_is_empty(group: StudyGroup) -> None:
    toggle = say(Language.EN, "settings.store_posts.to.on")
    assert say(Language.EN, "gaps.not_kept", toggle=toggle) in shown(await opened(group))

    await group.allow(store_posts=True)
    assert say(Language.EN, "gaps.none") in shown(await opened(group))


async def test_a_server_that_allows_it_no_more_loses_what_was_kept(group: StudyGroup) -> None:
    await group.allow(store_posts=True)
    group.say(flux(1))
    await group.silence()
    panel = await group.told(group.slash("tutor settings"))
    used = group.press(panel, "tutor:set:store_posts")
    await until(lambda: used.phase.value != "waiting")
    await idle()

    assert await kept(group) == ()


async def test_messages_are_one_problem_but_for_their_numbers_and_files(
    searcher: Searcher,
) -> None:
    problems = [
        ["LabError: node 3 lost its zymurgy", "LabError: node 17 lost its zymurgy"],
        ["AttributeError: module 'pytorch_lightning' has no attribute 'TrainResult'"],
        ["AttributeError: module 'torchvision' has no attribute 'datapoints'"],
        ["AttributeError: 'LabWriter' object has no attribute 'flush'"],
        [
            "OSError: [Errno 116] Stale file handle: '/data/train.bin'",
            "OSError: [Errno 116] Stale file handle: '/data/val.bin'",
        ],
    ]
    gaps = [
        Gap(10 * place + number, 5, 9, Language.EN, error, error)
        for place, errors in enumerate(problems)
        for number, error in enumerate(errors)
    ]
    found = await clustered(Tutor(searcher), gaps)

    together = {tuple(gap.source_id for gap in cluster.gaps) for cluster in found}
    assert together == {(0, 1), (10,), (20,), (30,), (40, 41)}
    assert [len(cluster.gaps) for cluster in found] == [2, 2, 1, 1, 1]
