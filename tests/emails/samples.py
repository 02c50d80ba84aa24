"""Invented mails of a realistic length, for looking at and for testing."""

from datetime import UTC, date, datetime
from typing import Any

from markupsafe import Markup

from newsletter.locales import LANGUAGES
from newsletter.mail.contents import Article, IssueHead, Publication, SectionLink

SITE = "https://weekly.example"
MAILS = (
    "confirmation",
    "welcome",
    "goodbye",
    "links",
    "new_address",
    "address_changed",
    "alarm",
    "attack",
    "invitation",
    "password_reset",
    "account",
    "issue",
)
# Tokens hold hyphens, where a careless wrapping breaks them.
UNSUBSCRIBE_URL = f"{SITE}/unsubscribe/{'u-' * 24}"
PREFERENCES_URL = f"{SITE}/preferences/{'p-' * 24}"
CONFIRM_URL = f"{SITE}/confirm/{'c-' * 24}"
NEVER_AGAIN_URL = f"{SITE}/never-again/{'n-' * 24}"
INVITATION_URL = f"{SITE}/desk/invitation/{'i-' * 24}"
RESET_URL = f"{SITE}/desk/reset/{'r-' * 24}"
NEW_ADDRESS_URL = f"{SITE}/new-address/{'a-' * 24}"

PUBLICATIONS = {
    "en": Publication(
        name="Libya Weekly Report",
        tagline="Armed groups and the answers to them, in four sections",
        postal_address="Libya Weekly Report, 1 Example Street, 1000 Exampletown",
        contact="editors@weekly.example",
        home_url=SITE,
        subscribe_url=f"{SITE}/subscribe",
    ),
    "ar": Publication(
        name="تقرير ليبيا الأسبوعي",
        tagline="الجماعات المسلحة وسبل مواجهتها، في أربعة أقسام",
        postal_address="Libya Weekly Report, 1 Example Street, 1000 Exampletown",
        contact="editors@weekly.example",
        home_url=f"{SITE}/ar",
        subscribe_url=f"{SITE}/ar/subscribe",
    ),
}

BECAUSE = {
    "en": "The mail server refuses mail from us: 550 5.7.1 Sender rejected, see our policy.",
    "ar": "يرفض خادم البريد رسائلنا: 550 5.7.1 المرسل مرفوض.",
}

ATTACK = {
    "en": "412 requests to subscribe in an hour; the ceiling is 400.",
    "ar": "412 طلب اشتراك في ساعة واحدة، والحد الأعلى 400.",
}

ISSUES = {
    "en": IssueHead(
        number=87,
        date=date(2017, 8, 15),
        subject="Derna under siege",
        preheader="The blockade tightens, and an oil trail leads to Sicily",
        url=f"{SITE}/issues/87",
        language="en",
        direction="ltr",
    ),
    "ar": IssueHead(
        number=87,
        date=date(2017, 8, 15),
        subject="درنة تحت الحصار",
        preheader="الحصار يشتد، وخيط من النفط المهرّب يقود إلى صقلية",
        url=f"{SITE}/ar/issues/87",
        language="ar",
        direction="rtl",
    ),
}

SECTIONS = {
    "en": (
        SectionLink(
            "ISIS in Action",
            "to read about what the group did this week",
            f"{SITE}/issues/87/isis-in-action",
        ),
        SectionLink(
            "Western Response",
            "to read about Western countries' responses",
            f"{SITE}/issues/87/western-response",
        ),
        SectionLink(
            "Anti-ISIS Coalition",
            "to read about the Libyan forces fighting the group",
            f"{SITE}/issues/87/anti-isis-coalition",
        ),
        SectionLink(
            "Other Jihadi Actors",
            "to read about the other armed groups",
            f"{SITE}/issues/87/other-jihadi-actors",
        ),
    ),
    "ar": (
        SectionLink(
            "تحركات داعش",
            "للاطلاع على ما قام به التنظيم هذا الأسبوع",
            f"{SITE}/ar/issues/87/isis-in-action",
        ),
        SectionLink(
            "الرد الغربي",
            "للاطلاع على ردود الدول الغربية",
            f"{SITE}/ar/issues/87/western-response",
        ),
        SectionLink(
            "التحالف ضد داعش",
            "للاطلاع على القوات الليبية التي تقاتل التنظيم",
            f"{SITE}/ar/issues/87/anti-isis-coalition",
        ),
        SectionLink(
            "جماعات جهادية أخرى",
            "للاطلاع على الجماعات المسلحة الأخرى",
            f"{SITE}/ar/issues/87/other-jihadi-actors",
        ),
    ),
}

SIEGE = """
<p>The road from Martuba has been closed since Thursday night. Lorries with flour, cooking gas and
medicine stand in a queue of about three kilometres; drivers say that they were told to wait for a
written order which nobody on the spot was able to show them.<sup><a
href="#fn-d-1" id="fnref-d-1">[1]</a></sup> Inside the town, bakeries open every second day.</p>
<p>The municipal council asked for a corridor of six hours on two days of the week. Its letter,
which we have seen, names <strong>four checkpoints</strong> and a list of goods. The answer came
by telephone: <em>not before the holiday</em>.</p>
<blockquote><p>We count the days by the pharmacy's shelves. Insulin is the calendar here.</p>
</blockquote>
<h3>What still gets through</h3>
<p>Prices tell the story better than communiqués. The table compares what was asked in the covered
market on three Saturdays.</p>
<table><thead><tr><th>Goods</th><th align="right">29 July</th>
<th align="right">5 August</th><th align="right">12 August</th>
<th align="right">Change in two weeks</th></tr></thead><tbody>
<tr><td>Flour, 50 kg sack</td><td align="right">LYD 48</td>
<td align="right">LYD 75</td><td align="right">LYD 130</td>
<td align="right">+171 %</td></tr>
<tr><td>Cooking gas, cylinder</td><td align="right">LYD 15</td>
<td align="right">LYD 40</td><td align="right">LYD 90</td>
<td align="right">+500 %</td></tr>
<tr><td>Insulin, vial</td><td align="right">LYD 22</td>
<td align="right">LYD 35</td><td align="right">none seen</td>
<td align="right">–</td></tr></tbody></table>
<h3>What to watch</h3>
<ul><li>Whether the corridor is opened before the holiday, and who guards it.</li>
<li>Whether the fishing harbour stays out of it: two boats were turned back on Sunday.</li>
<li>The tone of the tribal delegation that is expected from the south.</li></ul>
<hr><ol>
<li id="fn-d-1"><p>Telephone interviews with three drivers, 11 and 12 August.
<a href="#fnref-d-1" role="doc-backlink">↩︎</a></p></li></ol>
"""

CAMPS = """
<p>Residents south of Sirte report convoys of four to seven vehicles moving between the valleys at
night, without lights, and leaving the roads before dawn. The pattern resembles that of the early
spring: small groups, short stays, no fixed camp.</p>
<p>Two checkpoints on the road to Jufra were attacked within an hour of each other. In both cases
the attackers withdrew before help could arrive, and took ammunition and radios with them. No
ground was held. The purpose seems to have been supply and proof of life rather than territory.</p>
<p><img src="https://weekly.example/media/87/map.png" alt="Map of the valleys south of Sirte, with
the two checkpoints marked"></p>
<p>In its weekly paper the group claims nine operations; we could confirm four. The difference is
in the usual places: exaggerated losses of the other side, and one event that happened in May.</p>
<ol><li>The ambush near the water pipeline is confirmed by the hospital's register.</li>
<li>The claimed attack on a fuel depot is not: the depot has been empty since June.</li></ol>
<p>A longer treatment of the claims is kept <a href="https://weekly.example/issues/86/claims">with
last week's report</a>.</p>
"""

SICILY = """
<p>Prosecutors in Catania described a chain of three small companies through which diesel from a
Libyan refinery reached filling stations in southern Italy. The fuel was moved at sea, at night,
between vessels that had switched off their transponders.</p>
<p>For the European mission the case is awkward and welcome at once. It shows that the surveillance
works, and that until this spring nobody had been asked to look at fuel. A change of the mandate is
on the table of the ministers' meeting at the end of the month.</p>
<h3>Where the governments stand</h3>
<p>Rome wants the patrols closer to the coast. Paris prefers to speak of a political settlement
first, and has invited both sides for a second round. London offers training for the coast guard
and says little else. Washington, with one strike reported in the month, keeps its distance.</p>
<blockquote><p>A mandate is a verb. At the moment we have the noun.</p></blockquote>
"""

COALITION = """
<p>The operations room in Misrata has been renamed for the third time this year. Behind the change
of name stands a change of paymaster: salaries are to be paid through the ministry from September,
with biometric registration, and several brigades have not yet sent their lists.</p>
<p>On the ground the division of labour holds. Units from the coastal towns guard the road, those
from the interior patrol the valleys, and the two exchange liaison officers every ten days.</p>
<p>The weakest point remains the care of the wounded. Of the four hundred who were sent abroad for
treatment last year, some ninety wait for a second operation that nobody has undertaken to pay for.
Their families have announced a vigil in front of the ministry.</p>
"""

SIEGE_AR = """
<p>الطريق القادم من مرتوبة مغلق منذ ليل الخميس. شاحنات محمّلة بالدقيق وغاز الطهي والأدوية تقف في
طابور يمتد نحو 3 كيلومترات، ويقول السائقون إنهم أُمروا بانتظار إذن مكتوب لم يستطع أحد في المكان
أن يريهم إياه.<sup><a href="#fn-d-1" id="fnref-d-1">[1]</a></sup> وفي داخل
المدينة تفتح المخابز أبوابها يومًا بعد يوم.</p>
<p>طلب المجلس البلدي ممرًا لست ساعات في يومين من كل أسبوع. رسالته التي اطلعنا عليها تسمّي
<strong>أربع نقاط تفتيش</strong> وقائمة من البضائع. أما الجواب فجاء بالهاتف:
<em>ليس قبل العيد</em>.</p>
<blockquote><p>نعدّ الأيام برفوف الصيدلية. الأنسولين هو التقويم هنا.</p></blockquote>
<h3>ما الذي ما زال يصل</h3>
<p>الأسعار تروي القصة أفضل من البيانات. يقارن الجدول ما طُلب في السوق المسقوف في ثلاثة أيام سبت.</p>
<table><thead><tr><th>السلعة</th><th>29 يوليو</th><th>5 أغسطس</th><th>12 أغسطس</th>
<th>التغيّر في أسبوعين</th></tr></thead><tbody>
<tr><td>دقيق، كيس 50 كغ</td><td>48 دينارًا</td><td>75 دينارًا</td><td>130 دينارًا</td>
<td>‎+171%</td></tr>
<tr><td>غاز الطهي، أسطوانة</td><td>15 دينارًا</td><td>40 دينارًا</td><td>90 دينارًا</td>
<td>‎+500%</td></tr></tbody></table>
<h3>ما ينبغي متابعته</h3>
<ul><li>هل يُفتح الممر قبل العيد، ومن يحرسه؟</li>
<li>هل يبقى مرفأ الصيد خارج الحصار: أُعيد قاربان يوم الأحد.</li></ul>
<hr><ol>
<li id="fn-d-1"><p>مقابلات هاتفية مع ثلاثة سائقين، 11 و12 أغسطس.
<a href="#fnref-d-1" role="doc-backlink">↩︎</a></p></li></ol>
"""

CAMPS_AR = """
<p>يفيد سكان في جنوب سرت بأن أرتالًا من أربع إلى سبع سيارات تتحرك بين الأودية ليلًا من دون أضواء،
وتغادر الطرق قبل الفجر. ويشبه ذلك ما كان في أوائل الربيع: مجموعات صغيرة، وإقامات قصيرة، ولا معسكر
ثابتًا.</p>
<p>هوجمت نقطتا تفتيش على طريق الجفرة في غضون ساعة واحدة. وانسحب المهاجمون في الحالتين قبل وصول
النجدة، وأخذوا معهم ذخيرة وأجهزة لاسلكي (من طراز VHF). ولم يحتفظوا بأي أرض.</p>
<ol><li>الكمين قرب أنبوب المياه تؤكده سجلات المستشفى.</li>
<li>أما الهجوم المزعوم على مستودع الوقود فلا: المستودع فارغ منذ يونيو.</li></ol>
"""

COALITION_AR = """
<p>غيّرت غرفة العمليات في مصراتة اسمها للمرة الثالثة هذا العام. ووراء تغيير الاسم تغيير في مصدر
الرواتب: ستُدفع عن طريق الوزارة ابتداءً من سبتمبر، مع تسجيل بيومتري، ولم ترسل كتائب عدة قوائمها
بعد.</p>
<p>أما على الأرض فتقسيم العمل قائم: وحدات المدن الساحلية تحرس الطريق، ووحدات الداخل تمشّط الأودية،
ويتبادل الطرفان ضباط الارتباط كل عشرة أيام.</p>
"""


def safe(html: str) -> Markup:
    """Stands for what the sanitiser lets through."""
    return Markup(html)  # noqa: S704 - nothing a stranger wrote


def article(**changes: Any) -> Article:
    """The report from Derna, changed where a test wants it."""
    return Article(
        **{
            "section_title": "Other Jihadi Actors",
            "section_slug": "other-jihadi-actors",
            "headline": "The blockade of Derna tightens while the council bargains for a corridor",
            "html": safe(SIEGE),
            "text": "The road from Martuba has been closed since Thursday night.",
            "url": f"{SITE}/issues/87/other-jihadi-actors",
            "language": "en",
            "direction": "ltr",
        }
        | changes
    )


def articles(language: str) -> tuple[Article, ...]:
    """Four articles; the Western one exists in English only."""
    western = article(
        section_title=SECTIONS[language][1].title,
        section_slug="western-response",
        headline="An oil trail to Sicily puts the naval mission's mandate on the table",
        html=safe(SICILY),
        text="Prosecutors in Catania described a chain of three small companies.",
        url=SECTIONS[language][1].url,
    )
    if language == "en":
        return (
            article(
                section_title="ISIS in Action",
                section_slug="isis-in-action",
                headline="Small convoys, short stays: the valleys south of Sirte fill again",
                html=safe(CAMPS),
                url=SECTIONS["en"][0].url,
            ),
            western,
            article(
                section_title="Anti-ISIS Coalition",
                section_slug="anti-isis-coalition",
                headline="A new name and a new paymaster in Misrata",
                html=safe(COALITION),
                url=SECTIONS["en"][2].url,
            ),
            article(),
        )
    arabic: dict[str, Any] = {"language": "ar", "direction": "rtl"}
    return (
        article(
            section_title="تحركات داعش",
            section_slug="isis-in-action",
            headline="أرتال صغيرة وإقامات قصيرة: الحركة تعود إلى أودية جنوب سرت",
            html=safe(CAMPS_AR),
            text="يفيد سكان في جنوب سرت بأن أرتالًا صغيرة تتحرك بين الأودية ليلًا.",
            url=SECTIONS["ar"][0].url,
            **arabic,
        ),
        western,
        article(
            section_title="التحالف ضد داعش",
            section_slug="anti-isis-coalition",
            headline="اسم جديد ومصدر رواتب جديد في مصراتة",
            html=safe(COALITION_AR),
            text="غيّرت غرفة العمليات في مصراتة اسمها للمرة الثالثة هذا العام.",
            url=SECTIONS["ar"][2].url,
            **arabic,
        ),
        article(
            section_title="جماعات جهادية أخرى",
            headline="حصار درنة يشتد والمجلس البلدي يفاوض على ممر",
            html=safe(SIEGE_AR),
            text="الطريق القادم من مرتوبة مغلق منذ ليل الخميس.",
            url=SECTIONS["ar"][3].url,
            **arabic,
        ),
    )


def context_of(name: str, language: str) -> dict[str, Any]:
    """Everything that one mail needs."""
    choice: dict[str, Any] = {
        "section_titles": [section.title for section in SECTIONS[language]][1:3],
        "language_name": LANGUAGES[language].name,
    }
    links = {"preferences_url": PREFERENCES_URL, "unsubscribe_url": UNSUBSCRIBE_URL}
    contexts: dict[str, dict[str, Any]] = {
        "confirmation": choice
        | {"confirm_url": CONFIRM_URL, "never_again_url": NEVER_AGAIN_URL, "valid_days": 3}
        | {"own_links": links},
        "welcome": choice | links | {"latest_issue": ISSUES[language]},
        "goodbye": {
            "left_on": date(2017, 8, 15),
            "erase_url": f"{PREFERENCES_URL}/erase",
        },
        "links": links,
        "new_address": {"new_address_url": NEW_ADDRESS_URL, "valid_days": 3},
        "address_changed": {},
        "issue": links
        | {
            "issue": ISSUES[language],
            "articles": articles(language),
            "sections": SECTIONS[language],
            "other_sections": (),
        },
        "alarm": {
            "number": 87,
            "state": "paused",
            "because": BECAUSE[language],
            "scheduled_at": datetime(2017, 8, 15, 4, 30, tzinfo=UTC),
            "desk_url": f"{SITE}/desk/issues/87",
        },
        "invitation": {
            "invited_by": {"en": "Amal Haddad", "ar": "أمل حداد"}[language],
            "role": "author",
            "accept_url": INVITATION_URL,
            "valid_days": 7,
        },
        "password_reset": {"reset_url": RESET_URL},
        "account": {"news": "password_changed", "forgot_url": f"{SITE}/desk/forgot"},
        "attack": {"because": ATTACK[language], "until": datetime(2017, 8, 15, 5, 30, tzinfo=UTC)},
    }
    return contexts[name] | {"publication": PUBLICATIONS[language]}
