"""Documents: what the registry holds, one model for each kind, read strictly and all faults at once."""

from schemas.documents.allocation import Allocation
from schemas.documents.certificate import Certificate
from schemas.documents.channel import Channels, Mail, Webhook
from schemas.documents.energy import Carrier, Coefficient, Factor, Measurement, Product, Release
from schemas.documents.enterprise import Enterprise, Key, Listed, Source
from schemas.documents.envelope import API_VERSION, DatedId, DocumentKey, Entry, Name
from schemas.documents.escalation import Escalation
from schemas.documents.exchange import Exchange
from schemas.documents.indicator import Indicator, Limit, Select, Tier
from schemas.documents.meter import DatedValue, Meter
from schemas.documents.metric import Metric, MetricError, parse_metric
from schemas.documents.notification import Recipient, Route, Scope
from schemas.documents.parse import KINDS, Document, Fault, canonical, faults_of, load_document, parse_document
from schemas.documents.pause import Outage, Stop
from schemas.documents.reported import ReportedItem
from schemas.documents.roster import Roster
from schemas.documents.rule import Rule, Threshold
from schemas.documents.season import Season
from schemas.documents.settings import Settings
from schemas.documents.sms import SmsGateway
from schemas.documents.target import Profile, Target
from schemas.documents.template import Template
from schemas.documents.territory import City, County, EnterpriseList, Industry, Park, Province
from schemas.documents.validation import Validation
from schemas.documents.validity import Validity

__all__ = [
    "API_VERSION",
    "KINDS",
    "Allocation",
    "Carrier",
    "Certificate",
    "Channels",
    "City",
    "Coefficient",
    "County",
    "DatedId",
    "DatedValue",
    "Document",
    "DocumentKey",
    "Enterprise",
    "EnterpriseList",
    "Entry",
    "Escalation",
    "Exchange",
    "Factor",
    "Fault",
    "Indicator",
    "Industry",
    "Key",
    "Limit",
    "Listed",
    "Mail",
    "Measurement",
    "Meter",
    "Metric",
    "MetricError",
    "Name",
    "Outage",
    "Park",
    "Product",
    "Province",
    "Recipient",
    "Release",
    "ReportedItem",
    "Roster",
    "Route",
    "Profile",
    "Rule",
    "Target",
    "Season",
    "Scope",
    "SmsGateway",
    "Template",
    "Select",
    "Settings",
    "Source",
    "Stop",
    "Threshold",
    "Tier",
    "Validation",
    "Validity",
    "Webhook",
    "canonical",
    "faults_of",
    "load_document",
    "parse_document",
    "parse_metric",
]
