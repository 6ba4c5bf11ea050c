"""Damaged OpenStreetMap extracts."""

from __future__ import annotations

import gzip

from benchmarks.fuzz.elements import one_file_damaged
from benchmarks.fuzz.judge import Case, Maker

MAP = """<?xml version="1.0" encoding="UTF-8"?>
<osm version="0.6">
 <node id="1" lat="31.8200" lon="117.2200"><tag k="highway" v="traffic_signals"/>
  <tag k="name" v="黄山路与科学大道路口"/><tag k="name:en" v="Huangshan / Kexue"/></node>
 <node id="2" lat="31.8230" lon="117.2200"/><node id="3" lat="31.8170" lon="117.2200"/>
 <node id="4" lat="31.8200" lon="117.2240"/><node id="5" lat="31.8200" lon="117.2160"/>
 <node id="6" lat="31.8260" lon="117.2201"><tag k="highway" v="traffic_signals"/></node>
 <node id="7" lat="31.8260" lon="117.2240"/><node id="8" lat="31.8262" lon="117.2160"/>
 <way id="10"><nd ref="3"/><nd ref="1"/><nd ref="2"/><nd ref="6"/>
  <tag k="highway" v="primary"/><tag k="name" v="科学大道"/><tag k="name:en" v="Kexue Avenue"/>
  <tag k="lanes" v="4"/><tag k="maxspeed" v="60"/></way>
 <way id="11"><nd ref="5"/><nd ref="1"/><nd ref="4"/>
  <tag k="highway" v="secondary"/><tag k="name" v="黄山路"/>
  <tag k="name:zh_pinyin" v="Huangshan Lu"/>
  <tag k="turn:lanes:forward" v="left|through;right"/><tag k="lanes" v="3"/></way>
 <way id="12"><nd ref="8"/><nd ref="6"/><nd ref="7"/><tag k="highway" v="tertiary"/></way>
 <way id="13"><nd ref="4"/><nd ref="7"/><tag k="building" v="yes"/></way>
 <relation id="20"><member type="way" ref="10" role="from"/><member type="node" ref="1" role="via"/>
  <member type="way" ref="11" role="to"/><tag k="type" v="restriction"/>
  <tag k="restriction" v="no_u_turn"/></relation>
</osm>
"""


def cases() -> Maker:
    """Maps, plain and packed, damaged."""
    return one_file_damaged(sound())


def sound() -> list[Case]:
    """One small map, plain and packed."""
    packed = gzip.compress(MAP.encode(), mtime=0)
    return [
        Case("map", {"plain.osm": MAP.encode()}, "plain.osm", as_it_is=True),
        Case("map, packed", {"packed.osm.gz": packed}, "packed.osm.gz", as_it_is=True),
    ]
