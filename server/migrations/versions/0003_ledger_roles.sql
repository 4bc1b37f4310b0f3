-- The whole list of what ledger accounts are for and why money moves; the words are explained in server/ledger/roles.py.

alter table ledger_account drop constraint ledger_account_role_check;
alter table ledger_account add constraint ledger_account_role_check check (role in (
    'purse', 'stall', 'cash_drawer', 'cash_safe', 'bank', 'bank_clearing', 'receivable', 'subsidy',
    'subsidy_waiting', 'prepayment', 'deposit_held', 'card_cost_income', 'fee_income', 'commission_income',
    'surcharge_income', 'balances_left', 'rebate', 'over_short', 'rounding', 'late_list_loss', 'write_off',
    'adjustment', 'suspense', 'opening', 'meal_rights', 'meals_taken'));

-- Count purses hold meals, not fen. Both sides of a transfer count the same thing, so each unit's books sum to zero;
-- the doctor looks (I1). A transfer's unit is that of its accounts.
alter table ledger_account add column unit text not null default 'fen' check (unit in ('fen', 'meal'));
update ledger_account l set unit = 'meal' from purse u where u.id = l.id and u.kind = 'count';

alter table transfer drop constraint transfer_kind_check;
alter table transfer add constraint transfer_kind_check check (kind in (
    'charge', 'reversal', 'refund', 'opening', 'topup', 'topup_reversal', 'payout', 'bank_topup',
    'payroll_topup', 'subsidy', 'subsidy_lapse', 'subsidy_reversal', 'meal_rights', 'meal_rights_lapse',
    'meal_rights_reversal', 'deposit', 'deposit_return', 'card_cost', 'merge', 'holder_transfer', 'closure',
    'adjustment', 'write_off', 'surcharge', 'rebate', 'cash_move', 'cash_difference', 'bank_settlement', 'fee',
    'commission', 'stall_payout', 'rounding', 'receipt', 'suspense'));

-- The transfer that this one takes back, whole or in part. At most one whole undoing of a top-up can exist.
alter table transfer add column corrects uuid;
create index transfer_corrects on transfer (corrects) where corrects is not null;
create unique index transfer_undone_once on transfer (corrects) where kind = 'topup_reversal';
