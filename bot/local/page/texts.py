"""What the page itself says, in the languages of the study group."""

from __future__ import annotations

from enum import StrEnum

from knowledge.language import Language

DISCORD_LOCALES = {Language.EN: "en-US", Language.JA: "ja", Language.ZH: "zh-CN"}
LANGUAGE_NAMES = {Language.EN: "English", Language.JA: "日本語", Language.ZH: "中文"}


class Text(StrEnum):
    """Every text of the page."""

    TITLE = "title"
    CHANNELS = "channels"
    DIRECT = "direct"
    MEMBERS = "members"
    LANGUAGE = "language"
    SPEAK_AS = "speak_as"
    YOU = "you"
    LEARNER = "learner"
    HELP_TOPIC = "help_topic"
    GENERAL_TOPIC = "general_topic"
    DIRECT_TOPIC = "direct_topic"
    WELCOME = "welcome"
    WELCOME_MORE = "welcome_more"
    EXAMPLES = "examples"
    PLACEHOLDER = "placeholder"
    SEND = "send"
    ATTACH = "attach"
    REMOVE_FILE = "remove_file"
    OPEN_CHANNELS = "open_channels"
    COMMANDS = "commands"
    NO_COMMAND = "no_command"
    REPLYING = "replying"
    EDITING = "editing"
    CANCEL = "cancel"
    SUBMIT = "submit"
    REPLY = "reply"
    EDIT = "edit"
    DELETE = "delete"
    COPY = "copy"
    APPS = "apps"
    MORE = "more"
    EDITED = "edited"
    ONLY_YOU = "only_you"
    DISMISS = "dismiss"
    THINKING = "thinking"
    TYPING = "typing"
    USED = "used"
    SENDING = "sending"
    NO_ANSWER = "no_answer"
    FAILED = "failed"
    APP_TAG = "app_tag"
    DELETED_REFERENCE = "deleted_reference"
    ATTACHED_ONLY = "attached_only"
    OPTIONAL = "optional"
    REQUIRED = "required"
    CHOOSE_FILE = "choose_file"
    CHOOSE = "choose"
    MISSING_OPTION = "missing_option"
    TOO_LARGE = "too_large"
    TOO_MANY = "too_many"
    LONG_AS_FILE = "long_as_file"
    DROP_HERE = "drop_here"
    OLDER = "older"
    ONLINE = "online"
    OFFLINE = "offline"
    BOT_AWAY = "bot_away"
    DOWNLOAD = "download"
    SKIP = "skip"
    THEME = "theme"
    NEW = "new"
    FRESH = "fresh"
    PAST = "past"
    PRESENT = "present"
    ENLARGE = "enlarge"
    OPEN_ORIGINAL = "open_original"
    CLOSE = "close"
    THREAD_OF = "thread_of"
    MESSAGES = "messages"
    BETWEEN = "between"
    UP_TO = "up_to"
    NOTHING = "nothing"
    YES = "yes"
    NO = "no"


_T = Text
TEXTS: dict[Text, tuple[str, str, str]] = {  # English, Japanese, Chinese
    _T.TITLE: ("PyTorch study group", "PyTorch 勉強会", "PyTorch 学习小组"),
    _T.CHANNELS: ("Text channels", "テキストチャンネル", "文字频道"),
    _T.DIRECT: ("Direct messages", "ダイレクトメッセージ", "私信"),
    _T.MEMBERS: ("Members", "メンバー", "成员"),
    _T.LANGUAGE: ("Language", "言語", "语言"),
    _T.SPEAK_AS: ("Write as", "書き込む人", "发言身份"),
    _T.YOU: ("You", "あなた", "你"),
    _T.LEARNER: ("Learner", "学習者", "学员"),
    _T.HELP_TOPIC: (
        "Stuck? Paste your traceback.",
        "困ったらトレースバックを貼ってください。",
        "卡住了？把 traceback 贴上来。",
    ),
    _T.GENERAL_TOPIC: ("Everything else.", "その他の話題はこちら。", "其他话题都在这里聊。"),
    _T.DIRECT_TOPIC: (
        "Only you and the tutor read this.",
        "ここはあなたとチューターだけの会話です。",
        "这里只有你和助教能看到。",
    ),
    _T.WELCOME: ("Welcome to {channel}!", "{channel} へようこそ！", "欢迎来到 {channel}！"),
    _T.WELCOME_MORE: (
        "Paste an error, type / for commands, or open the menu of a message.",
        "エラーを貼り付けるか、/ でコマンドを選ぶか、メッセージのメニューを開いてください。",
        "粘贴报错信息，输入 / 使用命令，或打开某条消息的菜单。",
    ),
    _T.EXAMPLES: (
        "No error at hand? Post one of these:",
        "手元にエラーがなければ、例を投稿してみましょう：",
        "手头没有报错？点一个示例发出去：",
    ),
    _T.PLACEHOLDER: (
        "Message {channel}",
        "{channel} へメッセージを送信",
        "给 {channel} 发消息",
    ),
    _T.SEND: ("Send", "送信", "发送"),
    _T.ATTACH: ("Attach files", "ファイルを添付", "添加附件"),
    _T.REMOVE_FILE: ("Remove {name}", "{name} を外す", "移除 {name}"),
    _T.OPEN_CHANNELS: ("Show channels", "チャンネルを表示", "显示频道"),
    _T.COMMANDS: ("Commands", "コマンド", "命令"),
    _T.NO_COMMAND: (
        "There is no such command.",
        "そのようなコマンドはありません。",
        "没有这个命令。",
    ),
    _T.REPLYING: ("Replying to {name}", "{name} に返信中", "正在回复 {name}"),
    _T.EDITING: ("Editing your message", "メッセージを編集中", "正在编辑消息"),
    _T.CANCEL: ("Cancel", "キャンセル", "取消"),
    _T.SUBMIT: ("Submit", "送信", "提交"),
    _T.REPLY: ("Reply", "返信", "回复"),
    _T.EDIT: ("Edit message", "メッセージを編集", "编辑消息"),
    _T.DELETE: ("Delete message", "メッセージを削除", "删除消息"),
    _T.COPY: ("Copy text", "テキストをコピー", "复制文本"),
    _T.APPS: ("Apps", "アプリ", "应用"),
    _T.MORE: ("More", "その他", "更多"),
    _T.EDITED: ("(edited)", "(編集済)", "（已编辑）"),
    _T.ONLY_YOU: (
        "Only you can see this",
        "これはあなただけに表示されています",
        "只有你能看到此消息",
    ),
    _T.DISMISS: ("Dismiss message", "メッセージを閉じる", "关闭消息"),
    _T.THINKING: ("{name} is thinking…", "{name} が考え中です…", "{name} 正在思考…"),
    _T.TYPING: ("{name} is typing…", "{name} が入力中…", "{name} 正在输入…"),
    _T.USED: ("{name} used {command}", "{name} が {command} を使用", "{name} 使用了 {command}"),
    _T.SENDING: ("Sending command…", "コマンドを送信しています…", "正在发送命令…"),
    _T.NO_ANSWER: (
        "The application did not respond",
        "アプリケーションが応答しませんでした",
        "该应用程序未响应",
    ),
    _T.FAILED: (
        "This interaction failed",
        "このインタラクションに失敗しました",
        "此交互失败",
    ),
    _T.APP_TAG: ("APP", "アプリ", "应用"),
    _T.DELETED_REFERENCE: (
        "Original message was deleted",
        "元のメッセージは削除されました",
        "原消息已被删除",
    ),
    _T.ATTACHED_ONLY: ("Attachment", "添付ファイル", "附件"),
    _T.OPTIONAL: ("optional", "任意", "可选"),
    _T.REQUIRED: ("required", "必須", "必填"),
    _T.CHOOSE_FILE: ("Choose a file", "ファイルを選択", "选择文件"),
    _T.CHOOSE: ("Choose…", "選択…", "请选择…"),
    _T.MISSING_OPTION: (
        "“{name}” is needed. Fill it in and send again.",
        "「{name}」は必須です。入力してからもう一度送信してください。",
        "“{name}”为必填项。请填写后重新发送。",
    ),
    _T.TOO_LARGE: (
        "{name} is larger than {limit} MiB. Send a smaller file, or paste the part that matters.",
        "{name} は {limit} MiB を超えています。必要な部分だけを貼ってください。",
        "{name} 超过了 {limit} MiB。请换一个更小的文件，或只粘贴关键部分。",
    ),
    _T.TOO_MANY: (
        "A message takes {limit} files. The others were left out.",
        "1 件のメッセージに添付できるのは {limit} 個までです。残りは外しました。",
        "一条消息最多带 {limit} 个文件，其余的已略过。",
    ),
    _T.LONG_AS_FILE: (
        "Your message was longer than {limit} characters, so it was sent as a file.",
        "メッセージが {limit} 文字を超えたため、ファイルとして送信しました。",
        "消息超过 {limit} 个字符，已作为文件发送。",
    ),
    _T.DROP_HERE: ("Drop files to attach", "ここにドロップして添付", "松开以添加附件"),
    _T.OLDER: ("Show older messages", "以前のメッセージを表示", "显示更早的消息"),
    _T.ONLINE: ("Online", "オンライン", "在线"),
    _T.OFFLINE: ("Offline", "オフライン", "离线"),
    _T.BOT_AWAY: (
        "{name} is not connected yet. It answers as soon as it is.",
        "{name} はまだ接続していません。接続するとすぐに返信します。",
        "{name} 尚未连接，连接后会立即回复。",
    ),
    _T.DOWNLOAD: ("Download {name}", "{name} をダウンロード", "下载 {name}"),
    _T.SKIP: ("Skip to the text field", "入力欄へ移動", "跳到输入框"),
    _T.THEME: ("Dark or light", "ダーク／ライト切り替え", "切换深色／浅色"),
    _T.NEW: ("New", "新着", "新消息"),
    _T.FRESH: ("New messages below", "新しいメッセージがあります", "下方有新消息"),
    _T.PAST: (
        "You’re viewing older messages",
        "以前のメッセージを表示しています",
        "正在查看较早的消息",
    ),
    _T.PRESENT: ("Jump to present", "最新へ移動", "跳到最新"),
    _T.ENLARGE: ("Enlarge {name}", "{name} を拡大", "放大 {name}"),
    _T.OPEN_ORIGINAL: ("Open in a new window", "新しいウィンドウで開く", "在新窗口打开"),
    _T.CLOSE: ("Close", "閉じる", "关闭"),
    _T.THREAD_OF: ("Thread in #{channel}", "#{channel} のスレッド", "#{channel} 中的子区"),
    _T.MESSAGES: ("Messages: {count}", "メッセージ {count} 件", "{count} 条消息"),
    _T.BETWEEN: ("Choose {least} to {most}", "{least}～{most} 個選択", "选择 {least}–{most} 项"),
    _T.UP_TO: ("Choose up to {most}", "{most} 個まで選択可", "最多选择 {most} 项"),
    _T.NOTHING: ("None", "選択しない", "不选"),
    _T.YES: ("Yes", "はい", "是"),
    _T.NO: ("No", "いいえ", "否"),
}

_COLUMN = {Language.EN: 0, Language.JA: 1, Language.ZH: 2}


def say(text: Text, language: Language, **values: object) -> str:
    """A text of the page in `language`, with `values` put in."""
    return TEXTS[text][_COLUMN[language]].format(**values)
