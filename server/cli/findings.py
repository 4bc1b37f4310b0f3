"""What the doctor can find, and what to do about it, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple


class Level(StrEnum):
    """How bad a finding is; only trouble makes the exit code 1."""

    FINE = "fine"
    NOTE = "note"
    TROUBLE = "trouble"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: a key of ADVICE, how it is, and the particulars."""

    check: str
    level: Level
    detail: str = ""


class CheckText(NamedTuple):
    """A check in words: what it is about, and what to do when it is not fine."""

    title_en: str
    title_zh: str
    do_en: str
    do_zh: str


ADVICE: Mapping[str, CheckText] = {
    "settings": CheckText(
        "settings",
        "设置",
        "Correct or remove these variables; they do nothing now.",
        "请更正或删除这些变量，它们目前不起作用。",
    ),
    "secrets": CheckText(
        "secret file", "密钥文件", "Do what it says before the server starts again.", "请按提示处理后再启动服务器。"
    ),
    "data_dir": CheckText(
        "data folder", "数据目录", "Free space, or move ONECARD_DATA_DIR.", "请清理磁盘空间，或更改 ONECARD_DATA_DIR。"
    ),
    "database": CheckText(
        "database",
        "数据库",
        "Start it (embedded: onecard serve; your own: see its service) and check ONECARD_DATABASE_URL. Gates and tills "
        "decide alone meanwhile and lose nothing.",
        "请启动数据库（内置：onecard serve；自建：检查其服务）并核对 ONECARD_DATABASE_URL。"
        "期间闸机与消费机离线工作，数据不丢失。",
    ),
    "durability": CheckText(
        "durability",
        "持久性",
        "Switch these on in postgresql.conf: a power cut could lose confirmed meals.",
        "请在 postgresql.conf 中开启，否则断电可能丢失已确认的消费。",
    ),
    "schema": CheckText("schema", "数据库结构", "Type: onecard migrate", "请执行：onecard migrate"),
    "append_only": CheckText(
        "append-only tables",
        "只追加表",
        "Take these rights away from the role onecard_app.",
        "请收回角色 onecard_app 的这些权限。",
    ),
    "server_key": CheckText(
        "server key",
        "服务器密钥",
        "server.key is not the one of this database: restore the right file, or enrol every device again.",
        "server.key 与数据库不匹配：请恢复正确的文件，或重新注册所有设备。",
    ),
    "redis": CheckText(
        "Redis",
        "Redis",
        "Start Redis or correct ONECARD_REDIS_URL. Nothing is lost; other server processes hear of changes later.",
        "请启动 Redis 或更正 ONECARD_REDIS_URL。数据不丢失，其他服务进程的更新会稍有延迟。",
    ),
    "clock": CheckText(
        "clock",
        "时钟",
        "Let chrony or systemd-timesyncd set both machines' clocks.",
        "请用 chrony 或 systemd-timesyncd 校准两台机器的时钟。",
    ),
    "site": CheckText("site", "站点", "Make one: onecard seed", "请创建站点：onecard seed"),
    "invariant": CheckText(
        "books and journals",
        "账目与日志",
        "Stop top-ups and refunds, keep a backup of the database as it is, and look into these rows first.",
        "请暂停充值和退款，备份当前数据库，并先核查这些记录。",
    ),
    "policy": CheckText(
        "policy at the edge",
        "下发策略",
        "Publish it anew: change and save any lane, then look again.",
        "请重新下发：修改并保存任一通道后再检查。",
    ),
    "device": CheckText(
        "device",
        "设备",
        "Look at the box: power, network, `onecard-reader doctor`. Revoke it if it is gone: onecard device revoke NAME",
        "请检查设备电源、网络并运行 onecard-reader doctor；若已丢失：onecard device revoke NAME",
    ),
    "journal": CheckText(
        "device journal",
        "设备日志",
        "The device keeps taps that the server does not have: restore its link before its disk is replaced.",
        "设备上有未上传的记录：更换磁盘前请先恢复连接。",
    ),
    "unconfirmed": CheckText(
        "unconfirmed meals",
        "未确认消费",
        "Their devices have not said whether the meal was served: bring them online; a meal not served is reversed.",
        "设备尚未上报是否出餐：请使其上线，未出餐的消费会自动冲正。",
    ),
    "cases": CheckText("open cases", "待处理事项", "A person must look at these.", "需要人工处理。"),
    "audit": CheckText(
        "audit log",
        "审计日志",
        "Rows that wait: start a server process. Rows that differ: keep the database as it is, export, and check "
        "it against a checkpoint that a daemon kept: onecard audit export FILE, onecard verify-audit FILE.",
        "待封存：请启动服务进程。内容不符：请保留数据库现状并导出核对："
        "onecard audit export FILE，onecard verify-audit FILE（对照读卡程序保存的检查点）。",
    ),
    "backup": CheckText(
        "backup",
        "备份",
        "Make one: onecard backup; and let a timer do it every night. A database of your own may have its own backups.",
        "请执行 onecard backup，并设置每晚自动备份；自建数据库可使用其自身的备份方式。",
    ),
    "backup_trial": CheckText(
        "trial of a backup",
        "备份试恢复",
        "A backup counts once it was restored on trial: onecard backup verify",
        "备份经试恢复验证后才可信：onecard backup verify",
    ),
    "backup_room": CheckText(
        "room for backups",
        "备份空间",
        "Free space, lower ONECARD_BACKUPS_KEPT, or set ONECARD_BACKUP_DIR to another disk.",
        "请清理空间、减少 ONECARD_BACKUPS_KEPT，或将 ONECARD_BACKUP_DIR 改到其他磁盘。",
    ),
    "log_archive": CheckText(
        "archive of the log",
        "日志归档",
        "Mend the folder ONECARD_WAL_ARCHIVE_DIR soon: what is not archived fills the database's disk.",
        "请尽快修复目录 ONECARD_WAL_ARCHIVE_DIR：未归档的日志会占满数据库磁盘。",
    ),
    "restored": CheckText(
        "restored database",
        "已恢复的数据库",
        "Bring these devices online: they know which cards were blocked since. If one is lost for good: "
        "onecard restore --release WHY. Gates and tills decide alone meanwhile.",
        "请使这些设备上线：它们知道备份后停用了哪些卡。若设备已永久丢失：onecard restore --release 原因。"
        "期间闸机与消费机离线工作。",
    ),
    "certificate": CheckText(
        "TLS certificate",
        "TLS 证书",
        "Renew it and restart the server; devices that pin it as ca_file need the new one first.",
        "请更新证书并重启服务器；以 ca_file 固定该证书的设备需先换上新证书。",
    ),
    "old_case": CheckText(
        "case that waits too long",
        "久未处理的事项",
        "Give it to a person by name: what waits here may be money.",
        "请指定专人处理：其中可能涉及资金。",
    ),
    "device_clock": CheckText(
        "device clock",
        "设备时钟",
        "Let chrony or systemd-timesyncd set the box's clock; meals and schedules go by it when it is alone.",
        "请用 chrony 或 systemd-timesyncd 校准设备时钟；离线时餐别与时段以其为准。",
    ),
    "versions": CheckText(
        "software of the devices",
        "设备软件版本",
        "Bring all boxes to one version when it suits.",
        "请择时将所有设备升级到同一版本。",
    ),
    "outbox": CheckText(
        "event pump", "事件泵", "Start a server process: onecard serve", "请启动服务进程：onecard serve"
    ),
}


def as_line(finding: Finding, language: str) -> str:
    """Return a finding as one or two lines of text; the level is a word, not a colour."""
    texts = ADVICE[finding.check]
    is_chinese = language.startswith("zh")
    words = {Level.FINE: "正常", Level.NOTE: "注意", Level.TROUBLE: "故障"} if is_chinese else {}
    level = words.get(finding.level, str(finding.level))
    line = f"{level:<8} {texts.title_zh if is_chinese else texts.title_en}"
    line += f": {finding.detail}" if finding.detail else ""
    if finding.level is Level.FINE:
        return line
    return f"{line}\n         -> {texts.do_zh if is_chinese else texts.do_en}"
